import { Observable } from "../../viewmodel/observable";
import type {
  ActivationState, AppModel, AppointmentsModel, AppointmentsState, AppState, ComposerState, ConversationState, FindingModel, InboxState, InvitationState, MembersState,
  NewConversationState, RemindersModel, RemindersState, SearchModel, SettingsState, UnlockState, WriteState,
} from "../../viewmodel/types";
import { noAppointments, noReminders } from "./appointments";
import { manyMessages } from "./entries";
import { samplePdf, samplePicture } from "./files";
import { martin } from "./people";
import * as states from "./states";

/** What a screen of the gallery shows; the rest is the usual sample. */
export type Scene = {
  app: AppState;
  unlock?: UnlockState;
  activation?: ActivationState;
  invitation?: InvitationState;
  inbox?: InboxState;
  conversation?: ConversationState;
  appointments?: AppointmentsState;
  reminders?: RemindersState;
  composer?: ComposerState;
  newConversation?: NewConversationState;
  write?: WriteState;
  settings?: SettingsState;
};

/** A model that shows `fields` and takes every intent without doing anything. */
function still<T extends object>(fields: Partial<NoInfer<T>>): T {
  // `then` is absent, or a promise of a model would take the model for a promise.
  return new Proxy(fields, { get: (target, name) => Reflect.get(target, name) ?? (name === "then" ? undefined : () => undefined) }) as T;
}

const holding = <S>(value: S): { state: Observable<S> } => ({ state: new Observable(value) });

function composer(value: ComposerState): ReturnType<AppModel["write"]>["composer"] {
  const state = new Observable(value);
  return {
    ...still<ReturnType<AppModel["write"]>["composer"]>({ state }),
    state,
    write: (text) => {
      state.patch({ text, canSend: text !== "" });
    },
    attach: () => undefined,
    describe: () => undefined,
    detach: () => undefined,
    chooseReply: (reply) => {
      state.patch({ reply });
    },
  };
}

function members(of: ConversationState): MembersState {
  return {
    people: of.people.map((person) => ({ ...person, canRemove: of.mayChangeMembers && person.role !== "owner", history: person.role === "professional" ? "none" : "full", blocked: of.me?.role === "patient" && person.profession !== null ? false : null })),
    query: "mar", found: [{ account: "x", name: "Dr Amina Marchand", profession: "10", identifier: "10101234999" }],
    searching: false, busy: false, problem: null,
  };
}

function conversation(scene: Scene): ReturnType<AppModel["conversation"]> {
  const value = scene.conversation ?? states.conversation(martin);
  const state = new Observable(value);
  const model = still<ReturnType<AppModel["conversation"]>>({
    state,
    composer: composer(scene.composer ?? states.composer),
    members: still<ReturnType<AppModel["conversation"]>["members"]>(holding(members(value))),
    openDocument: async (_message, document) =>
      document === "photo"
        ? { name: "photo.png", mediaType: "image/png", bytes: await samplePicture() }
        : { name: "ordonnance.pdf", mediaType: "application/pdf", bytes: samplePdf() },
    showInvitation: () => Promise.resolve(states.invitation),
  });
  // The browser test pushes a message and older ones through this door.
  Object.assign(globalThis, {
    gallery: {
      push: (entries: ConversationState["entries"]) => {
        state.patch({ entries: [...state.value.entries, ...entries] });
      },
      older: (count: number) => {
        const first = value.me ? manyMessages(value.me, count) : [];
        state.patch({ entries: [...first.map((entry) => ({ ...entry, id: `older-${entry.id}` })), ...state.value.entries] });
      },
      state,
    },
  });
  return model;
}

export function galleryApp(scene: Scene): AppModel {
  const state = new Observable(scene.app);
  return still<AppModel>({
    state,
    path: (route) => `#${route.name}`,
    go: (route) => {
      state.patch({ route });
    },
    unlock: () => still(holding(scene.unlock ?? states.unlock)),
    activation: () => still(holding(scene.activation ?? states.hello)),
    invitation: () =>
      still({
        ...holding(scene.invitation ?? states.letter),
        openDocument: () => Promise.resolve({ name: "ordonnance.pdf", mediaType: "application/pdf", bytes: samplePdf() }),
      }),
    inbox: () => still(holding(scene.inbox ?? states.inboxPatient)),
    conversation: () => conversation(scene),
    appointments: () => Promise.resolve(still<AppointmentsModel>({ ...holding(scene.appointments ?? noAppointments), instants: (day: string, time: string) => [Date.parse(`${day}T${time}Z`)] })),
    reminders: () => Promise.resolve(still<RemindersModel>(holding(scene.reminders ?? noReminders))),
    search: () => Promise.resolve(still<SearchModel>(holding(states.search))),
    finding: () => Promise.resolve(still<FindingModel>(holding(states.finding))),
    newConversation: () =>
      still({ ...holding(scene.newConversation ?? states.newConversation), composer: composer(scene.composer ?? states.composerProfessional) }),
    write: () => still({ ...holding(scene.write ?? states.write), composer: composer(scene.composer ?? states.composer) }),
    journal: () => still(holding(states.journal)),
    settings: () => still(holding(scene.settings ?? states.settings)),
  });
}
