/** Of this program, as `llmos info` shows it; the same as in package.json (a test compares). */
export const KERNEL_VERSION = '0.1.0';
