export function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2.5">
      <img src="/favicon.svg" alt="" className="size-7" />
      <span className="font-display font-medium text-xl tracking-tight">Tertulia</span>
    </span>
  );
}
