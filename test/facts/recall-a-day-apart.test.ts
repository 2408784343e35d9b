import { describe, expect, it } from "vitest";
import { createSearchIndex } from "../../src/facts/search/index.ts";
import { termsOf } from "../../src/facts/search/terms.ts";

const DAY_MS = 86_400_000;

/** What is saved, a day apart; what is asked; the fact that comes first, or none. */
type Row = readonly [facts: readonly string[], question: string, first: string | undefined];

function firstOf(facts: readonly string[], question: string): string | undefined {
  const index = createSearchIndex();
  for (const [i, text] of facts.entries()) index.add({ id: text, text, tags: [], createdAt: i * DAY_MS });
  return index.search(question, 10)[0]?.id;
}

function describeRows(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    it.each(rows.map(([facts, question, first]) => ({ facts, question, first })))(
      "$question finds $first",
      ({ facts, question, first }) => {
        expect(firstOf(facts, question)).toBe(first);
        // The same when they were told in the other order: no tie decides.
        if (facts.length > 1) expect(firstOf(facts.toReversed(), question)).toBe(first);
      },
    );
  });
}

describeRows("verbs and nouns", [
  [["The user lives in Leeds.", "The user eats rice."], "Where do I live?", "The user lives in Leeds."],
  [["Cats have nine lives.", "Dogs bark."], "a cat's life", "Cats have nine lives."],
  [
    ["The train leaves at nine.", "The bus is late."],
    "When did the train leave?",
    "The train leaves at nine.",
  ],
  [["The leaves turned red.", "The bus is late."], "leaf", "The leaves turned red."],
  [["Anna left her umbrella.", "Anna bought a hat."], "Did Anna leave anything?", "Anna left her umbrella."],
  [["Turn left at the church.", "The church is old."], "turn left", "Turn left at the church."],
  [["He saw a whale.", "He ate a fish."], "What did he see?", "He saw a whale."],
  [["The saw is in the shed.", "The hammer is in the car."], "saw", "The saw is in the shed."],
  [["She wound the clock.", "She sold the chair."], "wind the clock", "She wound the clock."],
  [["The wound has healed.", "The flat has sold."], "wound", "The wound has healed."],
  [["Two thieves took the van.", "Two men took the bus."], "thief", "Two thieves took the van."],
  [
    ["The cheque is in the grey box.", "The key is in the red box."],
    "gray",
    "The cheque is in the grey box.",
  ],
  [["His favourite colour is green.", "His car is old."], "favorite color", "His favourite colour is green."],
  [["They organise a party.", "They sing."], "Who organizes parties?", "They organise a party."],
]);

describeRows("function words", [
  [["Gate A is closed.", "Gate B is open."], "gate A", "Gate A is closed."],
  [["Gate A is closed.", "Gate B is open."], "gate a", "Gate A is closed."],
  [["The heater is on.", "The heater is off."], "Is the heater off?", "The heater is off."],
  [["The heater is on.", "The heater is off."], "heater on", "The heater is on."],
  [["Sam eats meat.", "Ann does not eat meat."], "Who does not eat meat?", "Ann does not eat meat."],
  [
    ["The US office opens at nine.", "The Oslo office opens at ten."],
    "US office",
    "The US office opens at nine.",
  ],
  [["He moved to the US.", "Tell us more."], "US", "He moved to the US."],
  [["Ask IT about the laptop.", "It is about the cat."], "Who is in IT?", "Ask IT about the laptop."],
  [["Will likes tea.", "I will buy milk."], "What do I know about Will?", "Will likes tea."],
  [["Will likes tea.", "I will buy milk."], "Will's favourite drink", "Will likes tea."],
  [
    ["Her flight leaves before noon.", "His flight leaves after noon."],
    "flight before noon",
    "Her flight leaves before noon.",
  ],
  [["Ann lives with Bob.", "Ann lives without Tom."], "Who does Ann live with?", "Ann lives with Bob."],
  [["The key is under the mat.", "The key is on the mat."], "key under mat", "The key is under the mat."],
  [["It is in the box.", "The dog is asleep."], "Where is the zebra?", undefined],
]);

describeRows("numbers and codes", [
  [["He earns 45,000 a year.", "She earns 52,000 a year."], "45000", "He earns 45,000 a year."],
  [["He earns 45000 a year.", "She earns 52000 a year."], "45,000", "He earns 45000 a year."],
  [["Ann: 555-123-4567", "Bob: 555-123-9999"], "5551234567", "Ann: 555-123-4567"],
  [["Ann: 5551234567", "Bob: 5551239999"], "(555) 123-4567", "Ann: 5551234567"],
  [["Ann: 555 123 4567", "Bob: 555 123 9999"], "555.123.4567", "Ann: 555 123 4567"],
  [
    ["IBAN DE89 3704 0044 0532 0130 00", "IBAN DE12 5001 0517 0648 4898 90"],
    "DE89370400440532013000",
    "IBAN DE89 3704 0044 0532 0130 00",
  ],
  [
    ["IBAN DE89370400440532013000", "IBAN DE12500105170648489890"],
    "de89 3704 0044 0532 0130 00",
    "IBAN DE89370400440532013000",
  ],
  [["Flight BA 117 is hers.", "Flight LH 400 is his."], "BA117", "Flight BA 117 is hers."],
  [["Flight BA117 is hers.", "Flight LH400 is his."], "ba 117", "Flight BA117 is hers."],
  [
    ["The bug is in parseHttpHeader.", "The bug is in the cellar."],
    "parse http header",
    "The bug is in parseHttpHeader.",
  ],
  [
    ["The bug is in parse_http_header.", "The bug is in the cellar."],
    "parseHTTPHeader",
    "The bug is in parse_http_header.",
  ],
  [["Ann writes C++.", "Bob writes C#."], "C#", "Bob writes C#."],
  [["Ann writes C++.", "Bob writes C."], "c++", "Ann writes C++."],
  [["Ann writes C++.", "Anna likes tea."], "C#", undefined],
]);

describeRows("scripts", [
  [["أحمد يسكن هنا", "سارة تعمل"], "احمد", "أحمد يسكن هنا"],
  [["مُحَمَّد يسكن هنا", "سارة تعمل"], "محمد", "مُحَمَّد يسكن هنا"],
  [["القاهرة مدينة", "سارة تعمل"], "قاهرة", "القاهرة مدينة"],
  [["बाज़ार पास है", "घर दूर"], "बाजार", "बाज़ार पास है"],
  [["او می‌خواهد", "سارا رفت"], "میخواهد", "او می‌خواهد"],
  [["علي كتاب", "سارا رفت"], "علی", "علي كتاب"],
  [["Ma sœur est ici.", "Mon père travaille."], "soeur", "Ma sœur est ici."],
  [["Łódź is far.", "Gdynia is near."], "Lodz", "Łódź is far."],
  [["Köln ist schön.", "Bonn ist klein."], "Koeln", "Köln ist schön."],
  [["Koeln ist schön.", "Bonn ist klein."], "Köln", "Koeln ist schön."],
  [["집은 부산에 있어요.", "차가 빨라요."], "집", "집은 부산에 있어요."],
  [["他喜欢喝茶。", "她看书。"], "茶", "他喜欢喝茶。"],
  [["他喜欢茶叶。", "她看书。"], "茶", "他喜欢茶叶。"],
  [["Ann is from 🇵🇹", "Bob is from 🇫🇷"], "🇵🇹", "Ann is from 🇵🇹"],
  [["press 1️⃣ for Ann", "press 2️⃣ for Bob"], "1️⃣", "press 1️⃣ for Ann"],
  [["הַבַּיִת גדול", "הכלב קטן"], "הבית", "הַבַּיִת גדול"],
  [["L'eau est froide.", "Le feu est chaud."], "eau", "L'eau est froide."],
  [["La casa dell’amico è grande.", "La macchina è rossa."], "amico", "La casa dell’amico è grande."],
]);

describeRows("other languages", [
  [
    ["Mein Hund heißt Bello.", "Der Schlüssel liegt unter dem blauen Topf."],
    "Wo ist mein Schlüssel?",
    "Der Schlüssel liegt unter dem blauen Topf.",
  ],
  [["Mon chien dort.", "La clé est sous le pot."], "Où est ma clé ?", "La clé est sous le pot."],
  [["Mi perro duerme.", "La llave está en la mesa."], "¿Dónde está mi llave?", "La llave está en la mesa."],
  [["Il mio cane dorme.", "La chiave è sul tavolo."], "Dove è la mia chiave?", "La chiave è sul tavolo."],
  [["Mijn hond slaapt.", "De sleutel ligt op tafel."], "Waar is mijn sleutel?", "De sleutel ligt op tafel."],
  [["Моя собака спит.", "Ключ лежит на столе."], "Где мой ключ?", "Ключ лежит на столе."],
  [["Tom is a man.", "Tom is tall."], "man Tom", "Tom is a man."],
  [["Zahnarzttermin am Montag.", "Hund geimpft."], "Termin", "Zahnarzttermin am Montag."],
  [["Die Haustür klemmt.", "Hund geimpft."], "Haus", "Die Haustür klemmt."],
  [
    ["Die Wohnungsschlüssel sind weg.", "Hund geimpft."],
    "Wo sind die Schlüssel?",
    "Die Wohnungsschlüssel sind weg.",
  ],
  [["The war ended in 1945.", "The peace lasted."], "war", "The war ended in 1945."],
  [
    ["The plants die in winter.", "The plants bloom in May."],
    "When do plants die?",
    "The plants die in winter.",
  ],
]);

describe("forms of a word meet:", () => {
  const FAMILIES = `go goes went gone going|sink sank sunk|shrink shrank shrunk|spring sprang sprung|strike struck|
    bleed bled|breed bred|flee fled fleeing|sweep swept|weep wept|creep crept|leap leapt|kneel knelt|bind bound|
    grind ground|wind wound|slide slid|light lit lighted|forbid forbade forbidden|undergo underwent undergone undergoes|
    withdraw withdrew withdrawn|overcome overcame|arise arose arisen|weave wove woven|spell spelt spelled|
    spill spilt spilled|smell smelt smelled|spoil spoilt spoiled|do does did done|have has had|be is was were been being|
    lie lay lain lying|lay laid|rise rose risen|bear bore born borne|swear swore sworn|tear tore torn|
    thief thieves|loaf loaves|calf calves|scarf scarves|goose geese|crisis crises|diagnosis diagnoses|criterion criteria|
    phenomenon phenomena|medium media|bacterium bacteria|curriculum curricula|cactus cacti|nucleus nuclei|
    index indices indexes|matrix matrices|appendix appendices|axis axes|axe axes|basis bases|base bases|
    analysis analyses|analyse analyses analyzed|fireman firemen|half halves|hoof hooves|ox oxen|bus buses|lens lenses|
    grey gray|cheque check|colour colors|neighbourhood neighborhood|organisation organization|centre center|
    travelled traveling|programme program|practise practice|tyre tire`;
  it.each(FAMILIES.split("|").map((family) => family.trim().split(/\s+/)))("%s", (base, ...forms) => {
    const bases = new Set(termsOf(base));
    for (const form of forms)
      expect([form, termsOf(form).some((term) => bases.has(term))]).toEqual([form, true]);
  });

  it.each([
    ["specimen", "speciman"],
    ["hour", "hor"],
    ["sour", "sore"],
    ["life", "leave"],
  ])("but not %s and %s", (one, other) => {
    expect(termsOf(one)).not.toEqual(expect.arrayContaining(termsOf(other)));
  });
});
