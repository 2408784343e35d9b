/**
 * English beyond a stemmer: words that carry no meaning in a question, and forms that a suffix stemmer cannot relate
 * ("bought" to "buy"). General grammar only: nothing here was chosen for a benchmark.
 */

/** Pronouns, articles, prepositions, auxiliaries and question words. Left out of a query that has other words. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about after again all also am an and any are as at be because been before being between both but by can
  could did do does doing don down during each either few for from further had has have having he her here
  hers herself him himself his how i if in into is it its itself just let ll me might more most must my myself
  no nor not of off on once only or other our ours ourselves out over own re same shall she should so some
  such than that the their theirs them themselves then there these they this those through to too under until
  up upon us ve very was we were what when where which while who whom whose why will with would yes you your
  yours yourself yourselves`.split(/\s+/),
);

const IRREGULAR_FORMS = `be:am,is,are,was,were,been,being become:became begin:began,begun bend:bent bite:bit,bitten
  blow:blew,blown break:broke,broken bring:brought build:built burn:burnt buy:bought catch:caught
  choose:chose,chosen come:came deal:dealt dig:dug draw:drew,drawn dream:dreamt drink:drank,drunk
  drive:drove,driven eat:ate,eaten fall:fell,fallen feed:fed feel:felt fight:fought find:found fly:flew,flown
  forget:forgot,forgotten forgive:forgave,forgiven freeze:froze,frozen get:got,gotten give:gave,given
  go:went,gone grow:grew,grown hang:hung hear:heard hide:hid,hidden hold:held keep:kept know:knew,known
  lead:led learn:learnt leave:left lend:lent lose:lost make:made mean:meant meet:met pay:paid ride:rode,ridden
  ring:rang,rung rise:rose,risen run:ran say:said see:saw,seen seek:sought sell:sold send:sent shake:shook,shaken
  shine:shone shoot:shot show:shown sing:sang,sung sit:sat sleep:slept speak:spoke,spoken spend:spent
  stand:stood steal:stole,stolen stick:stuck swear:swore,sworn swim:swam,swum take:took,taken teach:taught
  tear:tore,torn tell:told think:thought throw:threw,thrown understand:understood wake:woke,woken wear:wore,worn
  win:won write:wrote,written child:children,kid,kids person:people,persons man:men woman:women foot:feet
  tooth:teeth mouse:mice wife:wives life:lives knife:knives leaf:leaves shelf:shelves half:halves
  mother:mom,mum,mommy,mummy father:dad,daddy grandmother:grandma,granny grandfather:grandpa
  photo:photos,photograph,photographs movie:film,films,movies favorite:favourite,fave favorites:favourites
  television:tv bicycle:bike,bikes,bicycles refrigerator:fridge vacation:holiday,holidays,vacations`;

/** Maps an irregular form to its base form. */
export const BASE_FORMS: ReadonlyMap<string, string> = new Map(
  IRREGULAR_FORMS.split(/\s+/).flatMap((entry) => {
    const [base = "", forms = ""] = entry.split(":");
    return forms.split(",").map((form): [string, string] => [form, base]);
  }),
);

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
