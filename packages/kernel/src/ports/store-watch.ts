/** Notices stores that have lost messages which were once there, while this kernel leads. */
export interface StoreWatch {
  begin(): void;
  end(): void;
  /** What is lost, for people; undefined while nothing is. */
  lost(): string | undefined;
}
