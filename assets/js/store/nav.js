// The store's tabs: on a phone, the one that is open is in sight.
document.querySelector(".store-nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
