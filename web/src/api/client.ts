/** The server's interface, one method a call. Source: docs/spec/api.md. */

import type { Clock, Http } from "../platform/platform.ts";
import { Caller } from "./http.ts";
import type * as T from "./types.ts";
import { Uploads } from "./uploads.ts";

export class Api {
  readonly #caller: Caller;
  readonly uploads: Uploads;

  constructor(http: Http, clock: Clock, random: () => number) {
    this.#caller = new Caller(http, clock, random);
    this.uploads = new Uploads(this.#caller, clock);
  }

  /** How to open a session again when the server has forgotten it. */
  renewSessionBy(renew: () => Promise<boolean>): void {
    this.#caller.renew = renew;
  }

  // ---- server and accounts

  server(): Promise<T.ServerInfo> {
    return this.#get("/v1/server");
  }

  activation(token: T.B64): Promise<T.Activation> {
    return this.#get(`/v1/activations/${token}`);
  }

  /** Idempotent: the same request gives the same answer. */
  createAccount(account: T.NewAccount): Promise<T.CreatedAccount> {
    return this.#caller.json({ method: "POST", path: "/v1/accounts", json: account, patient: true, open: true });
  }

  /** A page of the links after position `after`; null: from the genesis. */
  chain(account: T.B64, after: number | null): Promise<T.ChainPage> {
    return this.#get(`/v1/accounts/${account}/chain${after === null ? "" : `?after=${after}`}`);
  }

  me(): Promise<T.Me> {
    return this.#get("/v1/me");
  }

  extendChain(update: T.ChainUpdate): Promise<{ readonly position: number; readonly head: T.B64 }> {
    return this.#caller.json({ method: "POST", path: "/v1/me/chain", json: update, patient: true });
  }

  changeSettings(settings: Partial<T.Settings>): Promise<T.Settings> {
    return this.#caller.json({ method: "PUT", path: "/v1/me/settings", json: settings, patient: true });
  }

  async searchDirectory(text: string, signal: AbortSignal): Promise<readonly T.DirectoryPerson[]> {
    const path = `/v1/directory?q=${encodeURIComponent(text)}`;
    return (await this.#caller.json<{ people: T.DirectoryPerson[] }>({ method: "GET", path, signal })).people;
  }

  async openPharmacies(): Promise<readonly T.DirectoryPerson[]> {
    return (await this.#get<{ people: T.DirectoryPerson[] }>("/v1/directory?open=1")).people;
  }

  putPasskey(credential: T.B64, body: { readonly holder: T.B64; readonly blob: T.B64 }): Promise<void> {
    return this.#caller.done({ method: "PUT", path: `/v1/passkeys/${credential}`, json: body, patient: true });
  }

  async passkey(credential: T.B64): Promise<T.B64> {
    return (await this.#get<{ blob: T.B64 }>(`/v1/passkeys/${credential}`)).blob;
  }

  // ---- sessions

  challenge(holder: T.B64): Promise<T.Challenge> {
    return this.#caller.json({ method: "POST", path: "/v1/sessions/challenges", json: { holder }, open: true });
  }

  openSession(request: T.SessionRequest): Promise<T.SessionOpened> {
    return this.#caller.json({ method: "POST", path: "/v1/sessions", json: request, open: true });
  }

  /** Whose holder this is. No cookie is set: whoever is open in this browser stays so. */
  async accountOf(request: Omit<T.SessionRequest, "cookie">): Promise<T.B64> {
    const { account, token } = await this.openSession({ ...request, cookie: false });
    const headers = { Authorization: `Bearer ${token}` };
    await this.#caller.done({ method: "DELETE", path: "/v1/sessions/current", headers, open: true }).catch(() => undefined);
    return account;
  }

  /** To a holder that was ended, and to nobody else: the links up to the one that did. */
  endOfHolder(request: T.EndRequest): Promise<{ readonly links: readonly T.B64[] }> {
    return this.#caller.json({ method: "POST", path: "/v1/sessions/ended", json: request, open: true });
  }

  async sessions(): Promise<readonly T.SessionRow[]> {
    return (await this.#get<{ sessions: T.SessionRow[] }>("/v1/sessions")).sessions;
  }

  endSession(id: string): Promise<void> {
    return this.#caller.done({ method: "DELETE", path: `/v1/sessions/${id}` });
  }

  endThisSession(): Promise<void> {
    return this.#caller.done({ method: "DELETE", path: "/v1/sessions/current", open: true });
  }

  // ---- conversations

  createConversation(conversation: T.NewConversation): Promise<T.CreatedConversation> {
    return this.#caller.json({ method: "POST", path: "/v1/conversations", json: conversation, patient: true });
  }

  conversations(limit: number, before: string | null): Promise<T.SummaryPage> {
    const more = before === null ? "" : `&before=${encodeURIComponent(before)}`;
    return this.#get(`/v1/conversations?limit=${limit}${more}`);
  }

  /** With every invitation there was, whatever the number of pages. */
  async conversation(id: T.B64): Promise<T.ConversationDetail> {
    let detail = await this.#get<T.ConversationDetail>(`/v1/conversations/${id}`);
    const invitations = [...detail.invitations];
    while (goesOn(detail.next) && detail.invitations.length > 0) {
      detail = await this.#get<T.ConversationDetail>(`/v1/conversations/${id}?invitations=${encodeURIComponent(detail.next)}`);
      invitations.push(...detail.invitations);
    }
    return { ...detail, invitations };
  }

  /** A page of them: until there are none. */
  async epochs(id: T.B64, after: number): Promise<readonly T.EpochRow[]> {
    return (await this.#get<T.EpochPage>(`/v1/conversations/${id}/epochs?after=${after}`)).epochs;
  }

  /** Not repeated by itself: a lost answer is found by fetching the epochs. */
  createEpoch(id: T.B64, epoch: T.NewEpoch): Promise<T.CreatedEpoch> {
    return this.#caller.json({ method: "POST", path: `/v1/conversations/${id}/epochs`, json: epoch });
  }

  eventsAfter(id: T.B64, after: number, limit: number): Promise<T.EventPage> {
    return this.#get(`/v1/conversations/${id}/events?after=${after}&limit=${limit}`);
  }

  eventsBefore(id: T.B64, before: number, limit: number): Promise<T.EventPage> {
    return this.#get(`/v1/conversations/${id}/events?before=${before}&limit=${limit}`);
  }

  leave(id: T.B64): Promise<void> {
    return this.#caller.done({ method: "POST", path: `/v1/conversations/${id}/leave`, json: {} });
  }

  /** Takes nothing more from a professional. */
  block(account: T.B64): Promise<void> {
    return this.#caller.done({ method: "PUT", path: `/v1/blocks/${account}`, patient: true });
  }

  unblock(account: T.B64): Promise<void> {
    return this.#caller.done({ method: "DELETE", path: `/v1/blocks/${account}`, patient: true });
  }

  /** One attempt: the outbox has its own patience. Identical bytes give the first result again. */
  submit(id: T.B64, submission: T.Submission): Promise<T.Accepted> {
    return this.#caller.json({ method: "POST", path: `/v1/conversations/${id}/envelopes`, json: submission });
  }

  retract(id: T.B64, envelope: T.B64): Promise<void> {
    return this.#caller.done({ method: "DELETE", path: `/v1/conversations/${id}/envelopes/${envelope}`, patient: true });
  }

  /** The sealed bytes from `from` on; the body streams. */
  attachment(id: T.B64, attachment: T.B64, from: number, signal?: AbortSignal): Promise<Response> {
    return this.#caller.response({
      method: "GET",
      path: `/v1/conversations/${id}/attachments/${attachment}`,
      headers: { Accept: "application/octet-stream", ...(from === 0 ? {} : { Range: `bytes=${from}-` }) },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Ascending, at most 200. */
  journal(from: { readonly after: number } | { readonly before: number }, limit: number): Promise<T.JournalPage> {
    const [[side, position] = ["after", 0]] = Object.entries(from);
    return this.#get(`/v1/journal?${side}=${position}&limit=${limit}`);
  }

  // ---- invitations

  /** All of it, whatever the number of pages. */
  async invitation(id: T.B64): Promise<T.InvitationDetail> {
    let page = await this.#get<T.InvitationDetail>(`/v1/invitations/${id}`);
    let whole = page;
    while (goesOn(page.next) && page.epochs.length + page.chains.length > 0) {
      page = await this.#get<T.InvitationDetail>(`/v1/invitations/${id}?after=${encodeURIComponent(page.next)}`);
      whole = joined(whole, page);
    }
    return whole;
  }

  invitationByCode(locator: T.B64): Promise<T.CodeAnswer> {
    return this.#get(`/v1/invitations/code/${locator}`);
  }

  invitationEvents(id: T.B64, after: number): Promise<T.EventPage> {
    return this.#get(`/v1/invitations/${id}/events?after=${after}`);
  }

  /** No account is made; whoever wrote is told. */
  refuseInvitation(id: T.B64, refusal: { readonly sign: T.B64; readonly enc: T.B64; readonly signature: T.B64 }): Promise<void> {
    return this.#caller.done({ method: "POST", path: `/v1/invitations/${id}/refuse`, json: refusal, patient: true, open: true });
  }

  /** Idempotent: the same record gives the same answer. */
  claim(id: T.B64, claim: T.Claim): Promise<T.Claimed> {
    return this.#caller.json({ method: "POST", path: `/v1/invitations/${id}/claim`, json: claim, patient: true });
  }

  // ---- feed and live

  feed(after: number, wait: number, limit: number, signal?: AbortSignal): Promise<T.FeedPage> {
    return this.#caller.json({
      method: "GET",
      path: `/v1/feed?after=${after}&wait=${wait}&limit=${limit}`,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  acknowledge(position: number): Promise<void> {
    return this.#caller.done({ method: "POST", path: "/v1/feed/ack", json: { position } });
  }

  ticket(): Promise<T.Ticket> {
    return this.#caller.json({ method: "POST", path: "/v1/live/tickets", json: {} });
  }

  #get<R>(path: string): Promise<R> {
    return this.#caller.json({ method: "GET", path, patient: true });
  }
}

function goesOn(next: string | null | undefined): next is string {
  return next !== null && next !== undefined;
}

/** A page behind those before it; a chain may go on where a page ended. */
function joined(whole: T.InvitationDetail, page: T.InvitationDetail): T.InvitationDetail {
  const chains = [...whole.chains];
  for (const chain of page.chains) {
    const last = chains.at(-1);
    if (last?.account === chain.account) chains[chains.length - 1] = { ...chain, links: [...last.links, ...chain.links] };
    else chains.push(chain);
  }
  return { ...page, epochs: [...whole.epochs, ...page.epochs], boxes: [...whole.boxes, ...page.boxes], chains };
}
