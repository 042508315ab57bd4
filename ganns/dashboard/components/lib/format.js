// Numbers as text. A missing number is a dash.

const DASH = "–";

export function number(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return DASH;
  const small = Math.abs(value) < 100 && !Number.isInteger(value);
  return value.toLocaleString("en", { maximumFractionDigits: small ? Math.max(digits, 1) : digits });
}

// Three significant digits: for losses and distances.
export function decimal(value) {
  return value === null || value === undefined ? DASH : value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

export function seconds(value) {
  if (value === null || value === undefined) return DASH;
  if (value !== 0 && value < 10) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 3570) return `${Math.round(whole / 60)} min`; // longer times need no seconds
  const minutes = Math.round(value / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function percent(value) {
  return value === null || value === undefined ? DASH : `${Math.round(value * 100)} %`;
}

export function bytes(value) {
  if (value === null || value === undefined) return DASH;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 1000) return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

export const formats = { number, decimal, seconds, percent, bytes };
