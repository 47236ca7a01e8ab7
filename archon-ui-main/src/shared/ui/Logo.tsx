/** An arch within an arch: a way in. */
export function Logo({ className = "size-8" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={className}>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <g fill="none" strokeWidth="2.6" strokeLinecap="round" className="stroke-accent-ink">
        <path d="M7 25V15a9 9 0 0 1 18 0v10" />
        <path d="M12.2 25v-9.4a3.8 3.8 0 0 1 7.6 0V25" opacity="0.62" />
      </g>
    </svg>
  );
}
