/** How a request field is declared: once, with its schema and what Sluice does with it. */
import * as z from 'zod';

/**
 * `supported`: works as in OpenAI's API reference. `accepted`: OpenAI's, checked, and without effect on the answer.
 * `extension`: not OpenAI's, works here. `refused`: OpenAI's, not done yet; only values that ask for nothing beyond the
 * default are let through.
 */
export type FieldStatus = 'supported' | 'accepted' | 'extension' | 'refused';

export interface Field<Schema extends z.ZodType = z.ZodType> {
  status: FieldStatus;
  schema: Schema;
  /** What a reader of the compatibility table should know. */
  note: string;
}

export function supported<Schema extends z.ZodType>(schema: Schema, note = ''): Field<Schema> {
  return { status: 'supported', schema, note };
}

export function accepted<Schema extends z.ZodType>(schema: Schema, note: string): Field<Schema> {
  return { status: 'accepted', schema, note };
}

export function extension<Schema extends z.ZodType>(schema: Schema, note: string): Field<Schema> {
  return { status: 'extension', schema, note };
}

/** @param harmless values that mean the same as leaving the field out; without it every value is refused. */
export function refused(harmless?: z.ZodType, note = ''): Field<ReturnType<typeof onlyHarmless>> {
  return { status: 'refused', schema: onlyHarmless(harmless, note), note };
}

function onlyHarmless(harmless: z.ZodType | undefined, note: string) {
  return z
    .unknown()
    .superRefine((value, context) => {
      if (!harmless?.safeParse(value).success) {
        context.addIssue({ code: 'custom', params: { code: 'unsupported_parameter', hint: note } });
      }
    })
    .optional();
}

type SchemasOf<Fields> = { [Name in keyof Fields]: Fields[Name] extends Field<infer Schema> ? Schema : never };

/** The fields' schemas under their names: the shape of an object schema. */
export function schemasOf<Fields extends Record<string, Field>>(fields: Fields): SchemasOf<Fields> {
  const entries = Object.entries(fields).map(([name, field]) => [name, field.schema]);
  return Object.fromEntries(entries) as SchemasOf<Fields>;
}
