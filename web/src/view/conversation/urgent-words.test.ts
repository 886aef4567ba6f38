import { expect, test } from "vitest";
import { soundsUrgent } from "./urgent-words";

test.each([
  "J'ai une douleur dans la poitrine depuis ce matin",
  "Mon mari n’arrive plus à respirer !",
  "je pense au SUICIDE",
  "Il a perdu\nconnaissance",
  "I have chest pain",
])("interrupts: %s", (text) => {
  expect(soundsUrgent(text)).toBe(true);
});

test.each(["", "Merci docteur, j'ai bien reçu l'ordonnance.", "Puis-je prendre ce comprimé avec du jus de pamplemousse ?", "le savoc est bon"])(
  "leaves alone: %s",
  (text) => {
    expect(soundsUrgent(text)).toBe(false);
  },
);
