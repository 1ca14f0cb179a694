import { Catalogue } from "./Catalogue";
import { hasReady, useModels } from "./queries";

/** Shown while no model can answer: where to get one. */
export function ModelOffer() {
  const { data } = useModels();
  if (!data || hasReady(data)) return null;
  return (
    <section
      aria-label="Get a language model"
      className="rounded-2xl border border-line bg-raised p-5 text-left"
    >
      <h2 className="font-semibold">There is no language model yet</h2>
      <p className="mt-1 text-muted text-sm">
        Tertulia needs one to answer. These run on this machine. The smallest answers at once but
        knows little; larger ones know more and take their time.
      </p>
      <Catalogue />
    </section>
  );
}
