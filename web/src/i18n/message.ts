/** A sentence with `{names}` to fill in, or its singular and plural chosen by `{count}`. */
export type Message = string | { readonly one: string; readonly other: string };

type NamesIn<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
/** The names that a message needs; `t` asks for exactly these. A plural always needs its `count`. */
export type ParamsOf<M> = M extends string
  ? NamesIn<M>
  : M extends { readonly one: infer One extends string; readonly other: infer Other extends string }
    ? "count" | NamesIn<One> | NamesIn<Other>
    : never;
export type Values = Readonly<Record<string, string | number>>;

export function fill(message: Message, values: Values, plural: Intl.PluralRules): string {
  const wording = typeof message === "string" ? message : plural.select(Number(values["count"])) === "one" ? message.one : message.other;
  return wording.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
