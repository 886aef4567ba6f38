/** Notifications by the service worker where there is one (a phone takes them from nobody else), else by the page. */

import type { Notices } from "./platform.ts";

const ICON = "/icon.svg";

export function browserNotices(): Notices {
  return {
    get permission() {
      return "Notification" in globalThis ? Notification.permission : "unsupported";
    },
    ask: async () => ("Notification" in globalThis ? Notification.requestPermission() : "unsupported"),
    show: async (tag, { title, body }) => {
      if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
      const options = { body, tag, icon: ICON, badge: ICON };
      try {
        const worker = await registration();
        if (worker === undefined) ofPage(title, options);
        else await worker.showNotification(title, options);
      } catch {
        // Refused by the browser or its owner in the meantime: it stands in the application all the same.
      }
    },
    clear: async (tag) => {
      const worker = await registration().catch(() => undefined);
      for (const notice of (await worker?.getNotifications({ tag })) ?? []) notice.close();
    },
  };
}

function ofPage(title: string, options: NotificationOptions): void {
  const notice = new Notification(title, options);
  notice.addEventListener("click", () => {
    window.focus();
    notice.close();
  });
}

async function registration(): Promise<ServiceWorkerRegistration | undefined> {
  return "serviceWorker" in navigator ? navigator.serviceWorker.getRegistration() : undefined;
}
