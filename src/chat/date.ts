// `strftime_now`, with which templates put today's date into a prompt. In UTC and English, so that the prompt depends on
// the moment alone, not on the machine's zone and language.

const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** The directives of C's strftime that templates use; others stay as they are. */
export function strftime(date: Date, format: string): string {
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const hour = date.getUTCHours();
  const two = (n: number): string => String(n).padStart(2, "0");
  const fields: Readonly<Record<string, string>> = {
    "%": "%",
    Y: String(year),
    y: two(year % 100),
    m: two(month + 1),
    d: two(day),
    e: String(day).padStart(2, " "),
    B: MONTHS[month],
    b: MONTHS[month].slice(0, 3),
    A: DAYS[date.getUTCDay()],
    a: DAYS[date.getUTCDay()].slice(0, 3),
    j: String((Date.UTC(year, month, day) - Date.UTC(year, 0, 0)) / 86_400_000).padStart(3, "0"),
    H: two(hour),
    I: two(hour % 12 || 12),
    p: hour < 12 ? "AM" : "PM",
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    Z: "UTC",
    z: "+0000",
    F: `${year}-${two(month + 1)}-${two(day)}`,
  };
  return format.replace(/%(-?)([A-Za-z%])/g, (whole, minus: string, letter: string) => {
    const field = fields[letter];
    if (field === undefined) return whole;
    return minus === "" ? field : field.replace(/^[0 ]+(?=.)/, "");
  });
}
