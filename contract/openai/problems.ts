/** What is wrong with a request, in OpenAI's words and codes. */
import type * as z from 'zod';
import { MAX_PROBLEMS_NAMED } from './limits.ts';

export interface Problem {
  message: string;
  /** JSON path of the field, as in `messages[2].content[0].type`; null for the body as a whole. */
  param: string | null;
  code: string;
}

/** The request does not fit the contract. The message tells every problem, up to MAX_PROBLEMS_NAMED of them. */
export class InvalidRequest extends Error {
  readonly param: string | null;
  readonly code: string;

  constructor(problems: readonly [Problem, ...Problem[]]) {
    const named = problems.slice(0, MAX_PROBLEMS_NAMED).map((problem) => problem.message);
    const unnamed = problems.length - named.length;
    super(unnamed > 0 ? `${named.join(' ')} And ${unnamed} more.` : named.join(' '));
    this.name = 'InvalidRequest';
    this.param = problems[0].param;
    this.code = problems[0].code;
  }
}

/** @param error of a parse with `reportInput` */
export function problemsOf(error: z.ZodError): [Problem, ...Problem[]] {
  const [first, ...rest] = error.issues.flatMap((issue) => describe(issue, []));
  if (first === undefined) throw new TypeError('A failed parse has at least one issue', { cause: error });
  return [first, ...rest];
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

function describe(issue: Issue, parents: Path): Problem[] {
  const path = [...parents, ...issue.path];
  const param = jsonPath(path);
  const problem = (code: string, message: string): Problem[] => [{ message, param, code }];

  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const unknown = jsonPath([...path, key]);
      return { message: `Unknown parameter: '${unknown}'.`, param: unknown, code: 'unknown_parameter' };
    });
  }
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    return describeDiscriminator(issue, issue.discriminator, path);
  }
  if (issue.code === 'custom') return describeCustom(issue, param);
  if (issue.input === undefined) {
    return problem('missing_required_parameter', `Missing required parameter: '${param}'.`);
  }
  switch (issue.code) {
    case 'invalid_type': {
      const expected = `expected ${withArticle(issue.expected)}, but got ${kindOf(issue.input)} instead`;
      if (param === null) return problem('invalid_type', `Invalid body: ${expected}.`);
      return problem('invalid_type', `Invalid type for '${param}': ${expected}.`);
    }
    case 'invalid_value':
      return problem('invalid_value', unlisted(param, issue.input, issue.values));
    case 'invalid_union':
      return describeUnion(issue, path);
    case 'too_small':
    case 'too_big':
      return describeBound(issue, param);
    default:
      return problem('invalid_value', `Invalid '${param}': ${issue.message}.`);
  }
}

function describeCustom(issue: z.core.$ZodIssueCustom, param: string | null): Problem[] {
  const code = String(issue.params?.code);
  if (code !== 'unsupported_parameter') return [{ message: `Invalid '${param}': ${issue.message}`, param, code }];
  const refusal = `Unsupported parameter: '${param}' is not supported yet.`;
  const hint = issue.params?.hint;
  return [{ message: hint ? `${refusal} ${hint}` : refusal, param, code }];
}

/** `path` ends with the discriminator; `issue.input` is the object that should have it. */
function describeDiscriminator(issue: z.core.$ZodIssueInvalidUnion, discriminator: string, path: Path): Problem[] {
  const param = jsonPath(path);
  const value = (issue.input as Record<string, unknown>)[discriminator];
  if (value === undefined) {
    return [{ message: `Missing required parameter: '${param}'.`, param, code: 'missing_required_parameter' }];
  }
  const options = 'options' in issue && Array.isArray(issue.options) ? issue.options : [];
  return [{ message: unlisted(param, value, options), param, code: 'invalid_value' }];
}

/** Problems of the branch that the value was meant for: the one whose own type it has. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path): Problem[] {
  const isWrongKind = (inner: Issue) => inner.path.length === 0 && inner.code === 'invalid_type';
  const meant = issue.errors.find((branch) => !branch.some(isWrongKind));
  if (meant !== undefined) return meant.flatMap((inner) => describe(inner, path));
  const kinds = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : []));
  const param = jsonPath(path);
  const expected = kinds.map(withArticle).join(' or ');
  const message = `Invalid type for '${param}': expected ${expected}, but got ${kindOf(issue.input)} instead.`;
  return [{ message, param, code: 'invalid_type' }];
}

function describeBound(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall, param: string | null): Problem[] {
  const isAbove = issue.code === 'too_big';
  const bound = isAbove ? issue.maximum : issue.minimum;
  const size = issue.input as number | { length: number };
  if (typeof size === 'number') {
    const kind = issue.origin === 'int' || Number.isInteger(size) ? 'integer' : 'decimal';
    const [word, sign, edge] = isAbove ? ['above maximum', '<=', 'above_max'] : ['below minimum', '>=', 'below_min'];
    const message = `Invalid '${param}': ${kind} ${word} value. Expected a value ${sign} ${bound}, but got ${size} instead.`;
    return [{ message, param, code: `${kind}_${edge}_value` }];
  }
  const kind = issue.origin;
  if (size.length === 0) {
    const message = `Invalid '${param}': empty ${kind}. Expected one of length ${bound} or more.`;
    return [{ message, param, code: `empty_${kind}` }];
  }
  const [word, most, edge] = isAbove ? ['too long', 'maximum', 'above_max'] : ['too short', 'minimum', 'below_min'];
  const message = `Invalid '${param}': ${kind} ${word}. Expected ${most} length ${bound}, but got length ${size.length} instead.`;
  return [{ message, param, code: `${kind}_${edge}_length` }];
}

function unlisted(param: string | null, value: unknown, options: readonly unknown[]): string {
  const listed = options.map((option) => `'${option}'`).join(', ');
  return `Invalid value for '${param}': ${quote(value)}. Supported values are: ${listed}.`;
}

const MAX_QUOTED_LENGTH = 100;

function quote(value: unknown): string {
  if (typeof value !== 'string') return kindOf(value);
  return value.length > MAX_QUOTED_LENGTH ? `'${value.slice(0, MAX_QUOTED_LENGTH)}…'` : `'${value}'`;
}

function withArticle(kind: string): string {
  if (kind === 'number') return 'a decimal';
  if (kind === 'int') return 'an integer';
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (value === Infinity || value === -Infinity) return 'a number too large to represent';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal';
  return withArticle(typeof value);
}

function jsonPath(path: Path): string | null {
  if (path.length === 0) return null;
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
