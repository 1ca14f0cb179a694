import { useCallback, useEffect, useState } from "react";
import { Archive } from "@/features/conversations/Archive";
import { Shortcuts } from "@/features/help/Shortcuts";
import { Tokens } from "@/features/tokens/Tokens";
import { useRuntime } from "@/runtime/hooks";
import { navigate, type Route, useRoute } from "@/runtime/route";
import { useMedia } from "@/ui/useMedia";
import { Connection } from "./Connection";
import { ConversationPage } from "./ConversationPage";
import { Drawer } from "./Drawer";
import { NewPage } from "./NewPage";
import { NotFound } from "./NotFound";
import { Notice } from "./Notice";
import { Sidebar } from "./Sidebar";
import { TopBar } from "./TopBar";
import { useShortcuts } from "./useShortcuts";

/** The frame around every page of somebody who is signed in. */
export function Shell() {
  const route = useRoute();
  const { show } = useRuntime();
  const wide = useMedia("(min-width: 48rem)");
  const [listShown, setListShown] = useState(true);
  const [drawerOpen, setDrawerOpen] = useState(false);
  const [helpOpen, setHelpOpen] = useState(false);
  const shown = route.page === "conversation" ? route.id : null;

  useEffect(() => show(shown), [show, shown]);

  const toggleList = useCallback(() => {
    if (wide) setListShown((now) => !now);
    else setDrawerOpen((now) => !now);
  }, [wide]);
  const toggleHelp = useCallback(() => setHelpOpen((now) => !now), []);
  const go = useCallback((path: string) => {
    setDrawerOpen(false);
    navigate(path);
  }, []);
  useShortcuts({ onList: toggleList, onHelp: toggleHelp });

  const sidebar = (
    <Sidebar onNavigate={go} onShortcuts={() => setHelpOpen(true)} onHide={toggleList} />
  );
  return (
    <div className="flex h-full">
      <a
        href="#main"
        className="-translate-y-20 fixed top-2 left-2 z-50 rounded-lg bg-accent px-4 py-2 text-on-accent focus:translate-y-0"
      >
        Skip to the conversation
      </a>
      {wide && listShown && <div className="w-72 shrink-0 border-line border-r">{sidebar}</div>}
      {!wide && (
        <Drawer open={drawerOpen} onClose={() => setDrawerOpen(false)}>
          {sidebar}
        </Drawer>
      )}
      <div className="flex min-w-0 flex-1 flex-col">
        <TopBar
          conversationId={shown}
          listShown={wide && listShown}
          onList={toggleList}
          onNavigate={go}
        />
        <Connection />
        <main id="main" tabIndex={-1} className="flex min-h-0 flex-1 flex-col outline-none">
          <Content route={route} />
        </main>
      </div>
      <Notice />
      <Shortcuts open={helpOpen} onClose={() => setHelpOpen(false)} />
    </div>
  );
}

function Content({ route }: { readonly route: Route }) {
  switch (route.page) {
    case "new":
    case "signin":
      return <NewPage />;
    case "archive":
      return <Archive />;
    case "tokens":
      return <Tokens />;
    case "conversation":
      return <ConversationPage key={route.id} id={route.id} />;
    case "unknown":
      return <NotFound what="There is nothing at this address" />;
  }
}
