/**
 * Our types against those that the server generates (`schema.gen.ts`): compiled, never run. What a server answers must be
 * readable as our type; what we send must be what it accepts. A line that does not compile is an interface that moved.
 */

import type { components } from "./schema.gen.ts";
import type * as T from "./types.ts";

type Wire = components["schemas"];
/** `true` when every value of `From` is one of `To`. */
type Fits<From, To> = [From] extends [To] ? true : false;
type All<Checks extends readonly true[]> = Checks;

/** What the server answers. */
export type Answers = All<
  [
    Fits<Wire["ServerInfo"], T.ServerInfo>,
    Fits<Wire["ActivationShown"], T.Activation>,
    Fits<Wire["AccountCreated"], T.CreatedAccount>,
    Fits<Wire["ChainShown"], T.ChainPage>,
    Fits<Wire["MeShown"], T.Me>,
    Fits<Wire["SettingsShown"], T.Settings>,
    Fits<Wire["Challenge"], T.Challenge>,
    Fits<Wire["SessionOpened"], T.SessionOpened>,
    Fits<Wire["SessionShown"], T.SessionRow>,
    Fits<Wire["DirectoryShown"], { readonly people: readonly T.DirectoryPerson[] }>,
    Fits<Wire["ConversationStarted"], T.CreatedConversation>,
    Fits<Wire["ConversationsShown"], T.SummaryPage>,
    Fits<Wire["ConversationShown"], T.ConversationDetail>,
    Fits<Wire["EpochsShown"], T.EpochPage>,
    Fits<Wire["EpochBegun"], T.CreatedEpoch>,
    Fits<Wire["EventsShown"], T.EventPage>,
    Fits<Wire["AcceptedWire"], T.Accepted>,
    Fits<Wire["InvitationShown"], T.InvitationDetail>,
    Fits<Wire["CodeShown"], T.CodeAnswer>,
    Fits<Wire["InvitationClaimed"], T.Claimed>,
    Fits<Wire["FeedShown"], T.FeedPage>,
    Fits<Wire["Ticket"], T.Ticket>,
    Fits<Wire["Problem"], T.ProblemDocument>,
  ]
>;

/** What we send. */
export type Requests = All<
  [
    Fits<T.NewAccount, Wire["CreateAccount"]>,
    Fits<T.ChainUpdate, Wire["GrowChain"]>,
    Fits<T.SessionRequest, Wire["OpenSession"]>,
    Fits<T.NewConversation, Wire["StartConversation"]>,
    Fits<T.NewEpoch, Wire["ChangeMembers"]>,
    Fits<T.Submission, Wire["SubmissionWire"]>,
    Fits<T.Claim, Wire["ClaimInvitation"]>,
  ]
>;
