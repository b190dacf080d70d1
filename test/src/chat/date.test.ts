import { expect, it } from "vitest";
import { strftime } from "../../../src/chat/date.ts";

it.each([
  ["2025-03-04T05:06:07Z", "%Y-%m-%d %H:%M:%S", "2025-03-04 05:06:07"],
  [
    "2025-03-04T05:06:07Z",
    "%d %b %Y|%B %-d, %y|%A %a|%e",
    "04 Mar 2025|March 4, 25|Tuesday Tue| 4",
  ],
  ["2024-12-31T23:59:59Z", "%j %F %I %p %Z %z", "366 2024-12-31 11 PM UTC +0000"],
  ["2025-01-01T00:00:00Z", "%j %-j %I %p %%d %Q %", "001 1 12 AM %d %Q %"],
])("%s as %s", (date, format, expected) => {
  expect(strftime(new Date(date), format)).toBe(expected);
});

it("is the same in every time zone", () => {
  const zone = process.env.TZ;
  try {
    for (const tz of ["Pacific/Kiritimati", "Pacific/Pago_Pago"]) {
      process.env.TZ = tz;
      expect(strftime(new Date("2025-03-04T12:00:00Z"), "%d %H")).toBe("04 12");
    }
  } finally {
    process.env.TZ = zone;
  }
});
