/**
 * Function words of languages other than English, without accents as `termsOf` has them: articles, pronouns,
 * prepositions, auxiliaries and question words. They say nothing in a question of their language, and may mean much in English ("die", "war").
 */
const FUNCTION_WORDS: Readonly<Record<string, string>> = {
  german: `aber als am an auch auf aus bei bin bis da damit das dass dein deine dem den der des dich die dir doch du
    durch ein eine einem einen einer eines er es fur hab habe haben hat hatte hast heisst ich ihm ihn ihr ihre im in ist
    ja kann kein keine man mein meine meinem meinen meiner meines mich mir mit nach nicht noch nur ob oder ohne sein
    seine sich sie sind so uber um und uns unser unsere unter vom von vor wann war waren warum was welche welcher
    welches wem wen wenn wer werden wie wieder will wir wird wo woher wohin zu zum zur`,
  french: `a ai ai-je as au aux avait avec c ce ces cette chez comment d dans de des du elle elles en est est-ce et etait
    ete etes eu il ils j je l la le les leur leurs lui ma mais me mes moi mon n ne nos notre nous ou par pas pour pourquoi
    qu quand que quel quelle quelles quels qui quoi s sa sans se ses son sont suis sur ta te tes toi ton tu un une vos
    votre vous y`,
  spanish: `a al como con cual cuando cuanto de del donde el ella ellos en entre era eres es esta estan este esto estoy
    fue ha hay he la las le les lo los mas me mi mis muy no nos nuestra nuestro o para pero por porque que quien se ser
    si sin sobre son soy su sus te tiene tengo tu tus un una y ya yo`,
  italian: `a ai al alla alle anche che chi ci come con cosa da dal dalla dei del della delle di dove e era gli ha hai
    hanno ho i il in io la le lei lo loro lui ma mi mia mie miei mio ne nel nella non o per perche piu qual quale quali
    quando quanto se sei si sono su sua sue suo suoi ti tu tua tuo un una uno`,
  portuguese: `a ao aos as com como da das de do dos e ela ele em era essa esse esta estao este eu foi ha isso ja la
    mais mas me meu meus minha minhas na nao nas no nos o onde os ou para pela pelo por porque qual quando que quem se
    sem ser seu sua suas tem tenho um uma voce`,
  dutch: `aan als ben bij dan dat de deze die dit door een en er had heb hebben heeft het hij hoe ik in is je kan maar me
    mij mijn naar niet nog of om onder ons onze ook op over te tot uit uw van voor waar waarom wanneer was wat we welke
    werd wie wij zijn zo zonder`,
  swedish: `ar att av de den det dig din du efter en ett for fran ha han har hon hur i inte jag kan med men mig min mina
    mitt nar och om pa sa sig sin som till under upp ut vad var varfor vem vi vid`,
  danish: `af at da de den der det dig din du efter en er et for fra han har hun hvad hvem hvor hvordan hvornar i ikke
    jeg kan med men mig min mine mit og om op pa sig sin som til ud var ved vi`,
  polish: `a ale czy co dla do gdzie go i ich jak jaka jaki jakie jest jego jej kiedy kto ma mam mnie moj moja moje na nie
    o od po sie sa to w z za ze`,
  russian: `а бы был была были было в вас вы где для до его ее есть и из или их к как какая какие какой когда кто меня
    мне мои мой моя на не но о он она они от по с со так то ты у что чтобы это я`,
  turkish: `ama ben benim bir bu cok da de gibi icin ile kim mi mu nasil ne neden nerede o ve var`,
};

const LANGUAGES: readonly ReadonlySet<string>[] = Object.values(FUNCTION_WORDS).map(
  (words) => new Set(words.split(/\s+/)),
);
const NONE: ReadonlySet<string> = new Set();

/**
 * Returns the function words of the language that a text is most likely in, or none for English. `isEnglish` tells
 * function words of English, which must be fewer. Words of both count for neither. One word is enough only in a text with
 * letters that English has not: "man", "war" and "son" are function words elsewhere.
 */
export function functionWordsOf(
  words: readonly string[],
  isEnglish: (word: string) => boolean,
  hasForeignLetters: boolean,
): ReadonlySet<string> {
  const others = words.filter((word) => !isEnglish(word));
  let found = NONE;
  let most = hasForeignLetters ? 0 : 1;
  for (const language of LANGUAGES) {
    const own = others.filter((word) => language.has(word)).length;
    const english = words.filter((word) => isEnglish(word) && !language.has(word)).length;
    if (own > most && own > english) {
      found = language;
      most = own;
    }
  }
  return found;
}
