/** The whole application: where we are, who is here, and the model of each screen. */

import type { Client } from "../model/client.ts";
import type { Home } from "../model/home.ts";
import type { Joining } from "../model/joining.ts";
import { isPassing } from "../model/refusals.ts";
import { AccountSettings } from "./account_settings.ts";
import { Activation } from "./activation.ts";
import { ConversationView } from "./conversation.ts";
import { Inbox } from "./inbox.ts";
import { AccessJournal } from "./journal.ts";
import { Invitation } from "./invitation.ts";
import { NewConversation } from "./new_conversation.ts";
import { Observable } from "./observable.ts";
import { problemOf } from "./presenting.ts";
import { isOpen, pathOf, routeOf } from "./routes.ts";
import type {
  ActivationModel,
  AppModel,
  AppointmentsModel,
  AppState,
  ConversationModel,
  FindingModel,
  InboxModel,
  InvitationModel,
  JournalModel,
  NewConversationModel,
  NoticeWords,
  Person,
  RemindersModel,
  Route,
  SearchModel,
  SettingsModel,
  UnlockModel,
  WriteModel,
} from "./types.ts";
import { Unlock } from "./unlock.ts";
import { Write } from "./write.ts";

const START_AGAIN = 3_000; // milliseconds, when the server could not be reached

export class App implements AppModel {
  readonly state = new Observable<AppState>({
    phase: "starting",
    route: { name: "inbox" },
    connection: "connecting",
    me: null,
    language: null,
    unread: 0,
    serverName: "",
    demo: false,
    alarm: null,
    problem: null,
  });
  readonly #client: Client;
  /** Where the person wanted to go before unlocking. */
  #wanted: Route | null = null;
  #left: Joining | null = null;
  /** The code of a demonstration link, for the first unlock only. */
  #code: string | null = null;
  /** The address that we are at came with it. */
  #brought = false;

  constructor(client: Client) {
    this.#client = client;
    client.watch(() => {
      void this.#follow();
    });
    client.changes.watch((changed) => {
      if (changed.what === "conversation") void this.#count();
    });
    client.platform.address.watch(() => {
      this.#arrive();
    });
  }

  async start(): Promise<void> {
    this.#arrive();
    try {
      this.#left = await this.#client.start();
      this.state.patch({ problem: null });
      await this.#settle();
    } catch (error) {
      this.#failed(error);
    }
    void this.#server();
  }

  go(route: Route): void {
    const target = this.#instead(route);
    const { address } = this.#client.platform;
    const path = pathOf(target);
    // The way back goes to another place: pressing twice where one is leaves nothing to press "back" for.
    address.show(path, path === address.current.path ? "replace" : "push");
    this.state.patch({ route: target });
  }

  path(route: Route): string {
    return pathOf(route);
  }

  async logOff(): Promise<void> {
    await this.#client.logOff();
    this.go({ name: "unlock" });
  }

  unlock(): UnlockModel {
    const model = new Unlock({
      client: this.#client,
      account: () => this.state.value.me,
      letter: () => {
        this.go({ name: "invitation", link: null });
      },
      inside: () => {
        this.#inside();
      },
    });
    if (this.#code !== null) model.type(this.#code);
    this.#code = null;
    return model;
  }

  activation(token: string): ActivationModel {
    return new Activation({
      client: this.#client,
      token,
      account: () => this.state.value.me,
      inside: () => {
        this.#inside();
      },
      left: this.#takeLeft("activation"),
    });
  }

  invitation(link: string | null): InvitationModel {
    return new Invitation({
      client: this.#client,
      link,
      left: this.#takeLeft("claim"),
      account: () => this.state.value.me,
      inside: (conversation) => {
        this.go(conversation === "" ? { name: "inbox" } : { name: "conversation", conversation });
      },
    });
  }

  inbox(): InboxModel {
    return new Inbox(this.#home());
  }

  conversation(id: string): ConversationModel {
    return new ConversationView(this.#client, this.#home(), id, () => { this.go({ name: "inbox" }); });
  }

  async appointments(conversation: string): Promise<AppointmentsModel> {
    const { Appointments } = await import("./appointments.ts");
    return new Appointments(this.#home(), conversation);
  }

  async reminders(words: () => NoticeWords): Promise<RemindersModel> {
    const { Reminders } = await import("./reminders.ts");
    return new Reminders(this.#home(), words);
  }

  async search(): Promise<SearchModel> {
    const { Searching } = await import("./searching.ts");
    return new Searching(this.#home());
  }

  async finding(conversation: string, reach: (seq: number) => Promise<void>): Promise<FindingModel> {
    const { Finding } = await import("./searching.ts");
    return new Finding(this.#home(), conversation, reach);
  }

  newConversation(patient: string | null): NewConversationModel {
    return new NewConversation(this.#home(), patient, (conversation) => { this.#show(conversation); });
  }

  write(to: string | null): WriteModel {
    return new Write(this.#client, this.#home(), to, (conversation) => { this.#show(conversation); });
  }

  journal(): JournalModel {
    return new AccessJournal(this.#home());
  }

  settings(): SettingsModel {
    return new AccountSettings(this.#client, this.#home(), this.state.value.me, () => this.logOff());
  }

  /** Read the address; a secret in it is taken out before anything else can see it. */
  #arrive(): void {
    const { current } = this.#client.platform.address;
    const { route, secret } = routeOf(current);
    this.#brought = route.name === "unlock" && secret;
    if (this.#brought) this.#code = decoded(current.fragment);
    if (secret) this.#client.platform.address.show(pathOf(route), "replace");
    if (this.state.value.phase === "starting") {
      this.state.patch({ route });
      return;
    }
    this.#land(route);
  }

  /** After the start: to the joining that was left, to the first page, or where the address says. */
  async #settle(): Promise<void> {
    await this.#follow();
    const { route } = this.state.value;
    if (this.#left?.how === "activation") this.go({ name: "activation", token: "" });
    else if (this.#left?.how === "claim") this.go({ name: "invitation", link: null });
    else if (this.#client.home === null && !isOpen(route)) this.go(route);
    else this.#land(route);
  }

  /** What is no place of its own leaves the address; a door stays behind its room, which a reload asks for again. */
  #land(route: Route): void {
    const target = this.#instead(route);
    const gone = target.name === "inbox" || (route.name === "removed" && target !== route);
    if (gone) this.#replace(target);
    else this.state.patch({ route: target });
  }

  /**
   * Where an address leads. A closed account shows its door; one that is open has none, unless a code was brought or it
   * wants to come back. "This device was removed" is an address that anybody can write: it is shown where this tab
   * itself has noted it.
   */
  #instead(route: Route): Route {
    const { home, connection, removed, platform } = this.#client;
    if (home === null) {
      const noted = removed || platform.address.current.note === "removed";
      if (route.name === "removed") return noted ? route : { name: "unlock" };
      return isOpen(route) ? route : this.#later(route);
    }
    const door = route.name === "removed" || (route.name === "unlock" && connection !== "ended" && !this.#brought);
    return door ? { name: "inbox" } : route;
  }

  #later(route: Route): Route {
    this.#wanted = route;
    return { name: "unlock" };
  }

  #inside(): void {
    const wanted = this.#wanted ?? { name: "inbox" };
    this.#wanted = null;
    this.#brought = false;
    this.#replace(wanted); // the way back does not lead to the door again
  }

  #replace(route: Route, note?: string): void {
    this.#client.platform.address.show(pathOf(route), "replace", note);
    this.state.patch({ route });
  }

  #show(conversation: string): void {
    this.go({ name: "conversation", conversation });
  }

  #takeLeft(how: Joining["how"]): Joining | null {
    const left = this.#left?.how === how ? this.#left : null;
    if (left !== null) this.#left = null;
    return left;
  }

  async #follow(): Promise<void> {
    const { home, connection } = this.#client;
    const was = this.state.value.phase;
    const phase = home === null ? "locked" : "open";
    this.state.patch({ phase, connection, me: home === null ? null : this.state.value.me });
    if (home === null) {
      // Another tab has logged off: nothing of the account stays on the screen.
      if (this.#client.removed) this.#replace({ name: "removed" }, "removed");
      else if (was === "open" && !isOpen(this.state.value.route)) this.state.patch({ route: { name: "unlock" } });
      return;
    }
    if (this.state.value.route.name === "removed") this.#land({ name: "removed" });
    const me = await meOf(home).catch(() => null);
    this.state.patch({ me, language: home.own.settings.language });
    await this.#count();
  }

  async #count(): Promise<void> {
    const { home } = this.#client;
    if (home === null) return;
    const all = await home.log.all().catch(() => []);
    this.state.patch({ unread: all.reduce((sum, { unread }) => sum + unread, 0) });
    const mine = all.flatMap(({ people }) => people).find(({ id, name }) => id === home.account && name !== "");
    const { me } = this.state.value;
    if (me?.name === "" && mine !== undefined) this.state.patch({ me: { ...me, name: mine.name } });
  }

  async #server(): Promise<void> {
    const { home } = this.#client;
    try {
      const server = await (home === null ? this.#client.api.server() : home.server());
      this.state.patch({ serverName: server.name, demo: server.demo });
    } catch (error) {
      const problem = problemOf(error);
      if (problem.alarm) this.state.patch({ alarm: problem });
    }
  }

  #failed(error: unknown): void {
    const problem = problemOf(error);
    if (problem.alarm) this.state.patch({ alarm: problem });
    this.state.patch({ problem, phase: isPassing(error) ? "starting" : "locked" });
    if (isPassing(error)) this.#client.platform.clock.after(START_AGAIN, () => void this.start());
    else if (!isOpen(this.state.value.route)) this.go({ name: "unlock" });
  }

  #home(): Home {
    const { home } = this.#client;
    if (home === null) throw new Error("this screen needs an open account");
    return home;
  }
}

/** A fragment as it was written; one that is torn stays as it came, and is refused where it is used. */
function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

async function meOf(home: Home): Promise<Person> {
  const certificate = await home.certificate();
  return {
    id: home.account,
    name: certificate?.name ?? "",
    role: home.professional ? "professional" : "patient",
    profession: certificate?.profession ?? null,
    identifier: certificate?.identifier ?? null,
    verified: certificate !== null,
    me: true,
    standing: "member",
  };
}
