export type RegistryErrorCode =
  /** An item does not have the shape that contract/registry.ts gives it. */
  | 'malformed_item'
  /** Others kept changing the item; nothing was written. */
  | 'write_conflict';

export class RegistryError extends Error {
  readonly code: RegistryErrorCode;

  constructor(code: RegistryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RegistryError';
    this.code = code;
  }
}
