/** Looks for package files in the object store `llmos_packages`. */
import type { PackageFile } from '@llmos/base';
import { PACKAGE_STORE, packageObjectName } from '@llmos/base';
import type { NatsConnection, ObjectStore } from 'nats';
import { EDGE_LIMITS } from '../../edge-limits';
import type { PackageStore } from '../../ports/package-store';

export class JetStreamPackageStore implements PackageStore {
  private constructor(private readonly store: ObjectStore) {}

  static async open(connection: NatsConnection): Promise<JetStreamPackageStore> {
    const jetstream = connection.jetstream({ timeout: EDGE_LIMITS.requestTimeoutMs });
    return new JetStreamPackageStore(await jetstream.views.os(PACKAGE_STORE));
  }

  async missing(files: readonly PackageFile[]): Promise<readonly PackageFile[]> {
    const missing: PackageFile[] = [];
    for (const file of files) {
      const found = await this.store.info(packageObjectName(file.sha256));
      if (found === null || found.deleted || found.size !== file.bytes) missing.push(file);
    }
    return missing;
  }
}
