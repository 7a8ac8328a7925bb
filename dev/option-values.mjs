// Readers of option values: each takes what the user wrote and returns the value, or throws OptionError.

/** The user asked for what cannot be done; the message is one line for the terminal. */
export class OptionError extends Error {
  name = 'OptionError';
}

/** @param {string} written */
export function text(written) {
  if (written === '') throw new OptionError('is empty');
  return written;
}

/** @param {string} written */
export function modelId(written) {
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(written)) {
    throw new OptionError(`${JSON.stringify(written)} is not a model id (letters, digits and . _ : -, at most 128)`);
  }
  return written;
}

/** @param {string} written */
export function secret(written) {
  if (!/^[\x21-\x2b\x2d-\x7e]{1,256}$/.test(written)) {
    throw new OptionError('a key is 1 to 256 visible ASCII characters without commas');
  }
  return written;
}

/**
 * @param {number} least
 * @param {number} most
 */
export function wholeNumber(least, most) {
  return (/** @type {string} */ written) => {
    const number = /^-?\d+$/.test(written) ? Number(written) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw new OptionError(`${JSON.stringify(written)} is not a whole number from ${least} to ${most}`);
    }
    return number;
  };
}

/** @param {...string} choices */
export function oneOf(...choices) {
  return (/** @type {string} */ written) => {
    if (!choices.includes(written)) {
      throw new OptionError(`${JSON.stringify(written)} is not one of ${choices.join(', ')}`);
    }
    return written;
  };
}

/** @param {string} written */
export function switchedOn(written) {
  if (['on', 'true', '1', 'yes'].includes(written)) return true;
  if (['off', 'false', '0', 'no'].includes(written)) return false;
  throw new OptionError(`${JSON.stringify(written)} is neither on nor off`);
}

/** @param {string} host */
export function isLoopback(host) {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
