import type { Catalogue } from "../fr/index";
import { errors } from "./errors";
import { screens } from "./screens";
import { words } from "./words";

export const en: Catalogue = { ...screens, ...words, ...errors };
