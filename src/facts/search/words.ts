import { BRITISH_SPELLINGS, IRREGULAR_FORMS } from "./irregular-forms.ts";

/**
 * What English needs beyond a stemmer: words that carry no meaning in a question, and forms that a suffix
 * stemmer cannot relate ("bought" to "buy"). General grammar only: nothing here knows any benchmark.
 */

/** Dropped from a query that has other words. Pronouns, articles, prepositions, auxiliaries, question words. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about after again all also am an and any are as at be because been before being between both but by can
  could did do does doing down during each either few for from further had has have having he her here
  hers herself him himself his how i if in into is it its itself just let me might more most must my myself
  no nor not of off on once only or other our ours ourselves out over own re same shall she should so some
  such than that the their theirs them themselves then there these they this those through to too under until
  up upon us very was we were what when where which while who whom whose why will with would yes you your
  yours yourself yourselves`.split(/\s+/),
);

const ONE_WORD = `be:am,is,are,was,were,been,being have:has,had do:does,did,done
  person:persons child:kid,kids mother:mom,mum,mommy,mummy father:dad,daddy grandmother:grandma,granny
  grandfather:grandpa photo:photos,photograph,photographs movie:film,films,movies favorite:favourite,fave
  favorites:favourites television:tv,telly bicycle:bike,bikes,bicycles refrigerator:fridge
  vacation:holiday,holidays,vacations gray:grey grays:greys check:cheque checks:cheques tire:tyre tires:tyres
  curb:kerb bus:buses lens:lenses program:programme programs:programmes plow:plough mold:mould jewelry:jewellery pajamas:pyjamas
  skeptic:sceptic draft:draught cozy:cosy aluminum:aluminium story:storey stories:storeys mustache:moustache
  donut:doughnut donuts:doughnuts axe:ax ok:okay specialty:speciality
  airplane:aeroplane artifact:artefact maneuver:manoeuvre omelet:omelette skeptical:sceptical chateau:chateaus
  underlie:underlies,underlying,underlay,underlain`;

/** Two words, one of which is a form of another verb or noun, are found by both. */
export const TWO_WORDS: ReadonlySet<string> = new Set(
  `left found saw rose felt fell ground wound bore bound lay lit dove drove bit shot spoke stole stove smelt spat
  rent cleft clove gilt fed led rung slew thought might data agenda stamina dice bent broke drunk won lent better
  best further elder worse swept lost blown fallen`.split(/\s+/),
);

/** Form to the words it is a form of. */
export function collectForms(): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  const addForm = (form: string, base: string) => {
    const bases = all.get(form);
    if (bases === undefined) all.set(form, [base]);
    else if (!bases.includes(base)) bases.push(base);
  };
  for (const [base, forms] of entriesOf(ONE_WORD)) for (const form of forms) addForm(form, base);
  const ours = new Set(all.keys());
  for (const [base, forms] of entriesOf(BRITISH_SPELLINGS)) for (const form of forms) addForm(form, base);
  for (const [base, forms] of entriesOf(IRREGULAR_FORMS))
    for (const form of forms) if (!ours.has(form)) addForm(form, base);
  return all;
}

function entriesOf(list: string): (readonly [string, readonly string[]])[] {
  return list
    .trim()
    .split(/\s+/)
    .map((entry) => {
      const [base = "", forms = ""] = entry.split(":");
      return [base, forms.split(",")] as const;
    });
}

/** Verbs and nouns that end in -ise in every English. */
const ALWAYS_ISE =
  /^(?:(?:re|un|pre)?(?:advert|adv|ar|compr|comprom|desp|dev|disgu|exc|exerc|franch|improv|inc|merchand|prem|prom|rev|superv|surm|surpr|telev|enterpr|expert|otherw|parad|prec|conc|likew|treat|dem|no|po|pra|ra|cru|bru|r|w|gu|mo|porpo|torto|turquo|mayonna|r|pr|appr|circumc|chast|conv|anch|valu|malt|ant|p|tra|b))is/;

const BRITISH =
  /our|is[aei]|lys|res?$|ll(?:ed|ing|ers?)$|ogue|ence$|ce|ae|^oe|^fulfil|^(?:enrol|instal|skil|wil|enthral|distil)/;

/** The American spelling of a British word; other words as they are. Only to make the two meet. */
export function americanSpelling(word: string): string {
  if (word.length < 5 || !BRITISH.test(word)) return word;
  let spelling = word;
  if (!ALWAYS_ISE.test(spelling))
    spelling = spelling.replace(/(?<=..)is(?=(?:e|ed|es|er|ers|ing|ation|ations|able)$)/, "iz");
  return spelling
    .replace(/lys(?=(?:e|ed|es|er|ers|ing)$)/, "lyz")
    .replace(/(?<=[a-z]{3}|^od)our(?!c|se)/, "or")
    .replace(
      /^(cent|theat|lit|fib|calib|sab|spect|lust|meag|somb|och|goit|kilomet|millimet|centimet|met)re(?=s?$)/,
      "$1er",
    )
    .replace(/(?<=[aeiou][^aeiou]+[aeiou])ll(?=(?:ed|ing|er|ers)$)/, "l")
    .replace(/(?<=[aeiou]l|[bdp]ial|cata|ana)ogue(?=s?$)/, "og")
    .replace(/(?<=^(?:def|off|lic|pret))ence/, "ense")
    .replace(/(?<=^practi|^licen)c(?=e)/, "s")
    .replace(/^(an|p|h|orthop|c|gyn|encyclop|medi|arch)ae/, "$1e")
    .replace(/^(oe)(?=st|s|d)/, "e")
    .replace(/^fulfil(?=$|s|ment)/, "fulfill")
    .replace(/^(enrol|instal|skil|wil|enthral|distil)(?=$|s$|ment|ful)/, "$1l");
}

const RELATED_GROUPS = `job work career profession occupation employ;husband wife spouse partner marry;
  boyfriend girlfriend partner date;child son daughter;parent mother father;sibling brother sister;
  friend buddy;home house apartment flat;live reside move address;car vehicle drive;
  pet dog cat puppy kitten;book novel read author;hobby pastime interest activity;
  exercise workout gym fitness sport;trip travel visit vacation journey;like love enjoy prefer favorite;
  buy purchase;start begin launch;doctor physician hospital clinic;music song band concert;
  school college university study degree graduate;birthday born age;food meal dish cook recipe eat;
  restaurant cafe dinner lunch;company business firm employer;money finance income salary;sick ill disease;
  happy glad joy;sad upset;stress relax unwind;help support assist;plan intend goal;class course lesson workshop;
  picture photo painting drawing art;gift present;country city town place;game play;
  win award prize competition contest;volunteer charity donate;die death pass;name call;big large;
  afraid fear scare;hike camp outdoors nature;phone number;language speak;movie show series watch`;

/** Words of everyday life that people use for one another when they ask; each group is related among itself. */
export const RELATED_WORDS: readonly (readonly string[])[] = RELATED_GROUPS.split(";").map((group) =>
  group.trim().split(/\s+/),
);
