/** Which function answers a path, by API Gateway's rules: a fixed path first, then one with parameters, then the rest. */
import { fallbackFile, type Route } from '#functions/routes.ts';

export interface RouteMatch {
  /** File of the function. */
  file: string;
  /** The path as the routes have it, or that of the catch-all. */
  resource: string;
  pathParameters: Record<string, string> | null;
}

interface Resource {
  path: string;
  pattern: RegExp;
  files: ReadonlyMap<string, string>;
}

export class RouteTable {
  readonly #resources: readonly Resource[];

  constructor(routes: readonly Route[]) {
    const paths = [...new Set(routes.map((route) => route.path))];
    const fixedFirst = paths.sort((one, other) => Number(one.includes('{')) - Number(other.includes('{')));
    this.#resources = fixedFirst.map((path) => ({
      path,
      pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
      files: new Map(routes.filter((route) => route.path === path).map((route) => [route.method, route.file])),
    }));
  }

  /** @param path without the query */
  match(method: string, path: string): RouteMatch {
    for (const resource of this.#resources) {
      const found = resource.pattern.exec(path);
      if (found === null) continue;
      return {
        file: resource.files.get(method) ?? fallbackFile,
        resource: resource.path,
        pathParameters: found.groups === undefined ? null : decodeAll(found.groups),
      };
    }
    if (path === '/') return { file: fallbackFile, resource: '/', pathParameters: null };
    return { file: fallbackFile, resource: '/{proxy+}', pathParameters: { proxy: path.slice(1) } };
  }
}

function decodeAll(groups: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decode(value)]));
}

/** A value that is not encoded properly stays as it is, and will name nothing. */
function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
