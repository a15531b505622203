// The few words that stand outside the frame.

const STRINGS = {
  en: {
    chat: "Chat",
    close: "Close the chat",
    failed: "The chat could not be loaded.",
    loading: "Loading the chat…",
    retry: "Try again",
    unreadOne: "1 new message",
    unreadOther: "{count} new messages",
  },
  fr: {
    chat: "Discussion",
    close: "Fermer la discussion",
    failed: "La discussion n’a pas pu être chargée.",
    loading: "Chargement de la discussion…",
    retry: "Réessayer",
    unreadOne: "1 nouveau message",
    unreadOther: "{count} nouveaux messages",
  },
};

export const stringsOf = (language) => STRINGS[language];

export function sayUnread(count, strings) {
  return (count === 1 ? strings.unreadOne : strings.unreadOther).replace("{count}", String(count));
}
