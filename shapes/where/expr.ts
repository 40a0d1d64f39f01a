export type Expr = { readonly kind: string };
