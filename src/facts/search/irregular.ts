/**
 * English forms that a suffix stemmer cannot relate to their base, as `base:form,form`. A form with a star is a word of
 * its own too: "leaves" of trees and "leaves" of leaving.
 *
 * Verbs are those of Wikipedia's list of English irregular verbs, as wink-lexicon has it (MIT). Nouns are the exceptions
 * of WordNet 3.0 (Princeton University) whose base occurs in its tagged texts. Left out is what a stemmer relates anyway.
 */
const IRREGULAR_FORMS = `
  abacus:abaci abide:abode* addendum:addenda alumnus:alumni analysis:analyses* antithesis:antitheses apex:apices
  appendix:appendices aquarium:aquaria arise:arisen,arose auditorium:auditoria automaton:automata
  awake:awoke,awoken axis:axes* babysit:babysat bacterium:bacteria basis:bases* be:is,am,are,was,were,been
  bear:bore*,borne,born beat:beaten beau:beaux become:became befall:befallen,befell beget:begot,begat,begotten
  begin:began,begun behold:beheld,beholden bend:bent beseech:besought bespeak:bespoken bethink:bethought
  bid:bade,bidden bind:bound* bite:bit*,bitten bleed:bled blow:blew,blown bookshelf:bookshelves break:broke,broken
  breed:bred bring:brought bronchus:bronchi brother:brethren browbeat:browbeaten build:built bureau:bureaux
  burn:burnt buy:bought bypass:bypast cactus:cacti calculus:calculi calf:calves* calyx:calyces catch:caught
  catharsis:catharses cerebellum:cerebella cervix:cervices chateau:chateaux cherub:cherubim chide:chid,chidden
  child:children choose:chose,chosen cleave:cleft*,clove*,cloven cling:clung clothe:clad codex:codices come:came
  continuum:continua corpus:corpora cortex:cortices creep:crept crisis:crises criterion:criteria crocus:croci
  cumulus:cumuli curriculum:curricula datum:data deal:dealt diagnosis:diagnoses dial:dialled,dialling
  dialysis:dialyses dictum:dicta die:dice* dig:dug directrix:directrices dive:dove* do:does,did,done* dogma:dogmata
  dormouse:dormice draw:drew,drawn dream:dreamt drink:drank,drunk drive:drove,driven dwarf:dwarves dwell:dwelt
  eat:ate,eaten elf:elves ellipsis:ellipses* embed:embedded,embedding emphasis:emphases emporium:emporia
  equilibrium:equilibria erratum:errata esophagus:esophagi eyetooth:eyeteeth fall:fell*,fallen feed:fed feel:felt*
  fight:fought find:found* fishwife:fishwives flee:fled fling:flung fly:flew,flown focus:foci foot:feet
  forbid:forbade,forbidden,forbad forefoot:forefeet forego:foregone,forewent foreknow:foreknew,foreknown
  foresee:foresaw,foreseen foretell:foretold forget:forgot,forgotten forgive:forgave,forgiven
  forgo:forgone,forwent forsake:forsook,forsaken forswear:forswore,forsworn freeze:froze,frozen
  frolic:frolicked,frolicking fuel:fuelled,fuelling fungus:fungi ganglion:ganglia gateau:gateaux genesis:geneses
  genius:genii genus:genera get:got,gotten gild:gilt give:gave,given gladiolus:gladioli go:went,gone,goes
  goose:geese grandchild:grandchildren grind:ground* grow:grew,grown half:halves* hang:hung have:had hear:heard
  helix:helices hide:hid,hidden hippopotamus:hippopotami hold:held hoof:hooves housewife:housewives
  hypothesis:hypotheses index:indices inlay:inlaid interweave:interwove,interwoven keep:kept kibbutz:kibbutzim
  kneel:knelt knife:knives know:knew,known lead:led leaf:leaves* lean:leant leap:leapt learn:learnt leave:left*
  lend:lent lie:lay*,lain life:lives* light:lit loaf:loaves locus:loci lose:lost louse:lice make:made man:men
  manservant:menservants matrix:matrices mausoleum:mausolea maximum:maxima mean:meant medium:media meet:met
  melt:molten memorandum:memoranda metamorphosis:metamorphoses midwife:midwives milieu:milieux
  millennium:millennia minimum:minima mislay:mislaid mislead:misled misspell:misspelt mistake:mistaken,mistook
  misunderstand:misunderstood moratorium:moratoria mouse:mice mow:mown neurosis:neuroses nucleus:nuclei
  oasis:oases octahedron:octahedra octopus:octopi optimum:optima outdo:outdid,outdone* outdraw:outdrawn,outdrew
  outfight:outfought outgrow:outgrew,outgrown outrun:outran outsell:outsold overcome:overcame
  overdrive:overdriven,overdrove overeat:overate,overeaten overflow:overflown overhear:overheard overlay:overlaid
  override:overridden,overrode overrun:overran oversee:oversaw,overseen overshoot:overshot oversleep:overslept
  overtake:overtaken,overtook overthrow:overthrew,overthrown ovum:ova ox:oxen panic:panicked,panicking
  papyrus:papyri paralysis:paralyses parenthesis:parentheses partake:partaken,partook passerby:passersby pay:paid
  penknife:penknives penny:pence person:people,peoples phenomenon:phenomena phylum:phyla
  picnic:picnicked,picnicking plateau:plateaux plead:pled podium:podia polyhedron:polyhedra prognosis:prognoses
  prove:proven psychosis:psychoses quiz:quizzes radius:radii rebuild:rebuilt redo:redid,redone*
  redraw:redrew,redrawn referendum:referenda regrow:regrew,regrown rehear:reheard remake:remade repay:repaid
  rerun:reran resell:resold resend:resent* retake:retook,retaken reteach:retaught retell:retold rethink:rethought
  rewind:rewound rewrite:rewritten,rewrote ride:ridden,rode ring:rang,rung rise:rose*,risen run:ran saw:sawn
  say:said scarf:scarves schema:schemata see:saw*,seen seek:sought self:selves sell:sold send:sent serum:sera
  sew:sewn shake:shook,shaken shave:shaven sheaf:sheaves shear:shorn shelf:shelves shine:shone shit:shat
  shoe:shoed,shod shoot:shot* show:shown shrink:shrank,shrunk,shrunken shrive:shrove,shriven sing:sang,sung
  sink:sank,sunk,sunken sit:sat slay:slew,slain sleep:slept slide:slid,slidden sling:slung slink:slunk
  smell:smelt* smite:smote,smitten sneak:snuck sow:sown speak:spoke*,spoken spectrum:spectra speed:sped
  spell:spelt spend:spent spill:spilt spin:spun spit:spat spoil:spoilt spotlight:spotlit spring:sprang,sprung
  stadium:stadia staff:staves* stand:stood steal:stole*,stolen stepchild:stepchildren stick:stuck stigma:stigmata
  stimulus:stimuli sting:stung stink:stank,stunk stratum:strata strew:strewn stride:strode,stridden
  strike:struck,stricken string:strung strive:strove,striven swap:swopped,swopping,swops swear:swore,sworn
  sweep:swept swell:swollen swim:swam,swum swing:swung syllabus:syllabi symposium:symposia synopsis:synopses
  synthesis:syntheses tableau:tableaux take:took,taken teach:taught tear:tore,torn tell:told terminus:termini
  thesaurus:thesauri thesis:theses thief:thieves think:thought thrive:thriven,throve throw:threw,thrown
  tooth:teeth tread:trod,trodden trellis:trellises ultimatum:ultimata unbind:unbound
  underlie:underlain,underlay,underlying undersell:undersold understand:understood undertake:undertaken,undertook
  underwrite:underwritten,underwrote undo:undid,undone* unfreeze:unfroze,unfrozen unteach:untaught unwind:unwound
  uphold:upheld uterus:uteri vertex:vertices virtuoso:virtuosi vortex:vortices undergo:underwent,undergone wake:woke,woken waylay:waylaid
  wear:wore,worn weave:wove,woven weep:wept werewolf:werewolves wharf:wharves wife:wives win:won wind:wound*
  withdraw:withdrawn,withdrew withhold:withheld withstand:withstood wolf:wolves woman:women wring:wrung
  write:wrote,written`;

/** Plurals of words in -s, whose e the stemmer keeps. */
const PLURALS = `alias:aliases atlas:atlases bias:biases bonus:bonuses bus:buses campus:campuses canvas:canvases
  census:censuses chorus:choruses circus:circuses gas:gases genius:geniuses iris:irises lens:lenses
  octopus:octopuses status:statuses surplus:surpluses virus:viruses walrus:walruses lay:laid
  handkerchief:handkerchieves roof:rooves be:being have:has focus:focussed`;

/** British spellings that no rule of `toAmerican` covers. */
const SPELLINGS = `airplane:aeroplane,aeroplanes aluminum:aluminium artifact:artefact,artefacts caliber:calibre
  catalog:catalogue,catalogues center:centre,centres check:cheque,cheques cozy:cosy curb:kerb,kerbs defense:defence
  dialog:dialogue,dialogues donut:doughnut,doughnuts draft:draught,draughts encyclopedia:encyclopaedia
  fiber:fibre,fibres gray:grey,greys jewelry:jewellery kilometer:kilometre,kilometres license:licence,licences
  liter:litre,litres maneuver:manoeuvre mold:mould,moulds,mouldy mustache:moustache meter:metre,metres
  offense:offence pajamas:pyjamas,pyjama,pajama plow:plough,ploughs practice:practise,practised,practising
  program:programme,programmes,programmed skeptic:sceptic,sceptical story:storey,storeys
  sulfur:sulphur theater:theatre,theatres tire:tyre,tyres whisky:whiskey,whiskeys yogurt:yoghurt`;

/** Everyday words for one and the same, which a question mixes freely. */
const SAME_WORDS = `child:kid,kids mother:mom,mum,mommy,mummy father:dad,daddy grandmother:grandma,granny
  grandfather:grandpa photo:photos,photograph,photographs movie:film,films,movies favorite:fave television:tv
  bicycle:bike,bikes,bicycles refrigerator:fridge vacation:holiday,holidays,vacations`;

/** Words in -men that are no plural of -man. */
const NOT_MEN = /^(?:abdo|acu|a|hy|lu|o|ra|regi|se|speci|ye|bitu|cycla|albu|foramen|sta)men$/;

/** Maps an irregular form to its base. */
const BASE_FORMS = new Map<string, string>();
/** Forms that are words of their own too. */
const OWN_WORDS = new Set<string>();
for (const entry of [IRREGULAR_FORMS, PLURALS, SPELLINGS, SAME_WORDS].join(" ").trim().split(/\s+/)) {
  const [base = "", forms = ""] = entry.split(":");
  for (const form of forms.split(",")) {
    const word = form.replace("*", "");
    BASE_FORMS.set(word, base);
    if (word !== form) OWN_WORDS.add(word);
  }
}

/** Returns the base of an English word, and the word itself too when it can be either. */
export function baseFormsOf(word: string): readonly string[] {
  const base = BASE_FORMS.get(word);
  if (base !== undefined)
    return OWN_WORDS.has(word) ? [toAmerican(base), toAmerican(word)] : [toAmerican(base)];
  if (word.length > 5 && word.endsWith("men") && !NOT_MEN.test(word)) return [`${word.slice(0, -2)}an`];
  return [toAmerican(word)];
}

/**
 * One spelling for colour and color, organise and organize. It changes other words too (resource, exercise), but each of
 * them always in the same way.
 */
function toAmerican(word: string): string {
  return word.replace(/^(..+)our/, "$1or").replace(/^(...+)([iy])s(e[drs]?|ing|ations?)$/, "$1$2z$3");
}
