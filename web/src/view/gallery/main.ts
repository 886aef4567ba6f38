import { mount } from "svelte";
import "../../styles/index.css";
import { isLanguage, speak } from "../../i18n/locale.svelte";
import App from "../App.svelte";
import { preferences, THEMES } from "../preferences.svelte";
import { galleryApp } from "./model";
import { SCENES } from "./scenes";

/** `gallery.html?screen=unlock&lang=en&theme=dark`: one screen with sample state, for eyes and for tests. */
const asked = new URLSearchParams(location.search);
const language = asked.get("lang") ?? "fr";
const theme = THEMES.find((one) => one === asked.get("theme")) ?? "auto";
const scene = SCENES[asked.get("screen") ?? ""];
const target = document.getElementById("app");

if (isLanguage(language)) await speak(language);
preferences.change({ theme, language });
if (target && scene) mount(App, { target, props: { app: galleryApp(scene()) } });
else target?.append(...Object.keys(SCENES).map((name) => Object.assign(document.createElement("a"), { href: `?screen=${name}`, textContent: `${name} ` })));
