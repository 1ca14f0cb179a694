import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createRuntime } from "@/runtime/runtime";
import { watchTheme } from "@/ui/theme";
import { App } from "./App";
import "@fontsource-variable/inter/wght.css";
import "@fontsource/fraunces/latin-500.css";
import "./styles.css";

/** The one-time token of a sign-in link. It leaves the address at once: it must not stay in the
 * history, nor be sent anywhere but in the request that uses it. */
function takeLinkToken(): string | null {
  if (location.pathname !== "/signin") return null;
  const token = location.hash.slice(1);
  history.replaceState(null, "", "/");
  return token === "" ? null : token;
}

const runtime = createRuntime();
watchTheme();
void runtime.signIn(takeLinkToken());

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App runtime={runtime} />
    </StrictMode>,
  );
}
