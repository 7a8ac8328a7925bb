/** Reads a request body's text as JSON, within bounds. */
import { MAX_JSON_DEPTH } from './limits.ts';
import { InvalidRequest } from './problems.ts';

/** @throws InvalidRequest where the text is not JSON, nests deeper than MAX_JSON_DEPTH or has a key `__proto__` */
export function parseJsonBody(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The SyntaxError quotes the body, which must not travel into a log.
    throw new InvalidRequest([
      { message: 'The body of the request is not valid JSON.', param: null, code: 'invalid_json' },
    ]);
  }
  refuseUnsafe(value);
  return value;
}

/** Walks level by level, so that no nesting can exhaust the stack. */
function refuseUnsafe(root: unknown): void {
  let level = [root].filter(isContainer);
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_JSON_DEPTH) {
      const message = `The body of the request nests deeper than ${MAX_JSON_DEPTH} levels.`;
      throw new InvalidRequest([{ message, param: null, code: 'json_too_deep' }]);
    }
    if (level.some((container) => Object.hasOwn(container, '__proto__'))) {
      throw new InvalidRequest([
        { message: "Unknown parameter: '__proto__'.", param: '__proto__', code: 'unknown_parameter' },
      ]);
    }
    level = level.flatMap((container) => Object.values(container)).filter(isContainer);
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
