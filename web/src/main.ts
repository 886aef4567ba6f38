import { mount } from "svelte";
import { isLanguage, preferred, speak } from "./i18n/locale.svelte";
import { Client } from "./model/client";
import stretchWorker from "./model/stretch.worker?worker&url";
import { browserPlatform } from "./platform/browser";
import "./styles/index.css";
import { scriptUrl } from "./ui/script-url";
import App from "./view/App.svelte";
import { preferences } from "./view/preferences.svelte";
import { App as Application } from "./viewmodel/app";

/** The composition root: the one place that knows every room. */
async function open(target: HTMLElement): Promise<void> {
  preferences.apply();
  const kept = preferences.language;
  await speak(kept !== null && isLanguage(kept) ? kept : preferred(navigator.languages));
  const app = new Application(new Client(browserPlatform({ stretchWorker })));
  mount(App, { target, props: { app } });
  await app.start();
}

const target = document.getElementById("app");
if (target) void open(target);
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  // Without it Pli works all the same, only not offline.
  void navigator.serviceWorker.register(scriptUrl("/sw.js"), { type: "module" }).catch(() => undefined);
}
