type Policy = { createScriptURL(url: string): unknown };
type Factory = { createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy };

let policy: Policy | null = null;

/**
 * The address of a script of this very origin, as the content security policy wants it (Trusted Types). Browsers
 * without Trusted Types take the plain text; the types of the DOM know only that.
 */
export function scriptUrl(url: string): string {
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  if (factory === undefined) return url;
  policy ??= factory.createPolicy("fs-script-url", {
    createScriptURL: (asked) => {
      if (new URL(asked, location.href).origin !== location.origin) throw new TypeError("a script of another origin");
      return asked;
    },
  });
  return policy.createScriptURL(url) as string;
}
