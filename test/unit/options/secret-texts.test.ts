import { expect, it } from "vitest";
import { secretTexts } from "../../../src/options/secret-texts.ts";

it("takes the password in health-url for a secret, as it stands there and as it is sent", () => {
  const url = "https://probe:p%40ss:w/ord@gateway.example:8443/api/health";
  expect(secretTexts({ "health-url": url })).toEqual(["p%40ss:w/ord", "p@ss:w/ord"]);
  for (const plain of ["https://gateway.example/api/health", "http://[::1]:8080/a@b"]) {
    expect(secretTexts({ "health-url": plain })).toEqual([]);
  }
});

it("takes the password in an address of notify for a secret: a server may repeat it", () => {
  const mail = "smtp://keeper:p%40ssword@mail.test/?from=keeper@nas.test&to=me@mail.test";
  const hook = "ntfy+https://me:other%20secret@ntfy.test/topic";
  expect(secretTexts({ notify: `${mail}\n# none\n${hook}\n` })).toEqual(
    expect.arrayContaining(["p%40ssword", "p@ssword", "other%20secret", "other secret"]),
  );
});
