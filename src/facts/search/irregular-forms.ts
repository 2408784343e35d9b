/**
 * English forms that a suffix stemmer does not bring to their base, as `base:form,form`. Made from WordNet 3.0's lists
 * of exceptions for verbs and nouns (Princeton University, WordNet licence), and from the npm packages
 * english-verbs-irregular 3.4 (Apache-2.0) and irregular-plurals 4.2 (MIT), without what the stemmer does already.
 */
export const IRREGULAR_FORMS = `
  aardwolf:aardwolves abide:abode addendum:addenda address:addrest aecidium:aecidia agendum:agenda
  alewife:alewives allodium:allodia alodium:alodia alumnus:alumni alveolus:alveoli analysis:analyses
  antependium:antependia anthelix:anthelices antheridium:andtheridia,antheridia anthodium:anthodia
  anticlinorium:anticlinoria antihelix:antihelices antithesis:antitheses apex:apices aphelion:aphelia
  appendix:appendices aquarium:aquaria arc:arcked,arcking archesporium:archesporia arise:arisen,arose
  armamentarium:armamentaria aruspex:aruspices ascidium:ascidia aspersorium:aspersoria asyndeton:asyndeta
  atrium:atria auditorium:auditoria automaton:automata avitaminosis:avitaminoses awake:awakened,awoke,awoken
  axis:axes bacillus:bacilli backbite:backbitten backslide:backslidden bacterium:bacteria baculum:bacula
  bad:worse,worst basidium:basidia basis:bases basso:bassi be:am,are,been,is,was,were beadsman:beadsmen
  bear:bore,born,borne beat:beaten beau:beaus,beaux become:became beef:beeves befall:befallen,befell
  beget:begat,begot,begotten begin:began,begun begird:begirt behold:beheld,beholden bename:benempt bend:bent
  beseech:besought bespeak:bespoke,bespoken bestrew:bestrewn bestride:bestridden,bestrode betake:betaken,betook
  bethink:bethought bias:biassed,biassing bid:bade,bidden bind:bound bisectrix:bisectrices bite:bit,bitten
  bivouac:bivouacked,bivouacking blackfoot:blackfeet bleed:bled bless:blest blow:blew,blown
  bookshelf:bookshelves brainchild:brainchildren break:broke,broken breed:bred bring:brought
  broadleaf:broadleaves brother:brethren browbeat:browbeaten bucktooth:buckteeth build:built
  bureau:bureaus,bureaux burn:burnt businessman:businessmen buy:bought bypass:bypast cactus:cacti
  caldarium:caldaria calf:calves calix:calices can:canning,could candelabrum:candelabra carcinoma:carcinomata
  catch:caught caudex:caudices cervix:cervices chairman:chairmen chapeau:chapeaus,chapeaux cherub:cherubim
  chide:chid,chidden child:children chiv:chivved,chivving
  chivy:chevied,chevies,chevying,chivvied,chivvies,chivvying choose:chose,chosen ciborium:ciboria
  cicatrix:cicatrices cimex:cimices cinerarium:cineraria cleave:cleft,clove,cloven clepe:clept,ycleped,yclept
  clinandrium:clinandria cling:clung clitoris:clitorises clostridium:clostridia clothe:clad
  cloverleaf:cloverleaves codex:codices collyrium:collyria columbarium:columbaria come:came concerto:concerti
  conidium:conidia consortium:consortia contralto:contralti corium:coria corpus:corpora cortex:cortices
  countersink:countersank,countersunk cranium:crania creep:crept crematorium:crematoria crescendo:crescendi
  crisis:crises criterion:criteria crossbreed:crossbred ctenidium:ctenidia culex:culices curet:curettes
  curriculum:curricula curse:curst cyclops:cyclopses cylix:cylices cystoma:cystomata datum:data
  daydream:daydreamt deal:dealt debus:debussed,debusses,debussing degas:degassed,degasses,degassing
  desideratum:desiderata diagnosis:diagnoses dial:dialled,dialling dictum:dicta die:dice dig:dug
  disenthral:disenthralled,disenthralling,disenthralls disenthrall:disenthrals disprove:disproven dive:dove
  do:did,does,done dogma:dogmata dogtooth:dogteeth dormouse:dormice dow:dought draw:drawn,drew
  drawknife:drawknives dream:dreamt drink:drank,drunk drive:driven,drove duel:duelled,duelling dwarf:dwarves
  dwell:dwelt eat:ate,eaten edema:edemata elf:elves ellipsis:ellipses embed:embedded,embedding
  embus:embussed,embusses,embussing emphasis:emphases emporium:emporia enchiridion:enchiridia encomium:encomia
  endocardium:endocardia endometrium:endometria enwind:enwound epenthesis:epentheses ephemeris:ephemerides
  epicardium:epicardia epicedium:epicedia epigastrium:epigastria epiphenomenon:epiphenomena
  equilibrium:equilibria erratum:errata executrix:executrices exordium:exordia extremum:extrema
  eyetooth:eyeteeth fall:fallen,fell far:farther,farthest,further featherbed:featherbedded,featherbedding
  feed:fed feel:felt fez:fezzes fieldmouse:fieldmice fight:fought find:found fishwife:fishwives
  flatfoot:flatfeet flee:fled fling:flung flittermouse:flittermice floodlight:floodlit fly:flew,flown
  flyblow:flyblew,flyblown flyleaf:flyleaves focus:foci foot:feet foramen:foramina forbear:forbore,forborne
  forbid:forbad,forbade,forbidden fordo:fordid,fordone foredo:foredid,foredone forefoot:forefeet
  forego:foregone,forewent foreknow:foreknew,foreknown forerun:foreran foresee:foresaw,foreseen
  foreshow:foreshown forespeak:forespoke,forespoken foretell:foretold foretooth:foreteeth
  forget:forgot,forgotten forgive:forgave,forgiven forgo:forgone,forwent formicarium:formicaria fornix:fornices
  forsake:forsaken,forsook forspeak:forspoke,forspoken forswear:forswore,forsworn forum:fora
  freeze:froze,frozen frolic:frolicked,frolicking frostbite:frostbitten fuel:fuelled,fuelling
  fumatorium:fumatoria fungus:fungi gainsay:gainsaid gammadion:gammadia ganglion:ganglia gel:gelled,gelling
  geld:gelt generatrix:generatrices gentleman:gentlemen genus:genera get:got,gotten
  ghostwrite:ghostwritten,ghostwrote gild:gilt gin:gan gird:girt give:gave,given glochidium:glochidia
  glomerulus:glomeruli gnaw:gnawn gnosis:gnoses go:goes,gone,went godchild:godchildren gonidium:gonidia
  good:best,better goodwife:goodwives goose:geese goy:goyim graffito:graffiti grandchild:grandchildren
  grave:graven grind:ground grip:gript grow:grew,grown gumma:gummata gymnasium:gymnasia hacksaw:hacksawn
  half:halves hamstring:hamstrung hamulus:hamuli handfeed:handfed handwrite:handwritten,handwrote hang:hung
  haruspex:haruspices haustorium:haustoria have:had,has hear:heard heave:hove helix:helices herbarium:herbaria
  hew:hewn hide:hid,hidden hippopotamus:hippopotami hocus:hocussed,hocussing hold:held honey:honied
  honorarium:honoraria hoof:hooves housewife:housewives humerus:humeri hyperbaton:hyperbata hypnosis:hypnoses
  hypochondrium:hypochondria hypogastrium:hypogastria hypothesis:hypotheses ibex:ibices ilium:ilia
  imbed:imbedded,imbedding imperium:imperia inbreed:inbred incubus:incubi index:indices indwell:indwelt
  initial:initialled,initialling inlay:inlaid insectarium:insectaria interbreed:interbred interlay:interlaid
  interleaf:interleaves interplead:interpled interregnum:interregna interstitium:interstitia
  interweave:interwove,interwoven interwind:interwound inweave:inwove,inwoven jackknife:jackknives keep:kept
  kneel:knelt knife:knives know:knew,known lacunar:lacunaria ladify:ladyfied,ladyfies,ladyfying latex:latices
  latifundium:latifundia lay:laid lead:led leaf:leaves lean:leant leap:leapt learn:learnt leave:left
  lemma:lemmata lend:lent leprosarium:leprosaria libretto:libretti lie:lain,lay life:lives light:lit
  loaf:loaves loculus:loculi locus:loci looey:looies lose:lost louse:lice lubritorium:lubritoria lumen:lumina
  lustrum:lustra lymphoma:lymphomata magma:magmata make:made man:men manubrium:manubria matrix:matrices
  maximum:maxima mean:meant medium:media meet:met melisma:melismata melt:molten memorandum:memoranda
  meniscus:menisci metathesis:metatheses miasma:miasmata midwife:midwives millennium:millennia
  mimic:mimicked,mimicking minimum:minima ministerium:ministeria miracidium:miracidia misbecome:misbecame
  misdeal:misdealt misdo:misdid,misdone misgive:misgave,misgiven mishear:misheard mislay:mislaid mislead:misled
  mislearn:mislearnt misplead:mispled misspeak:misspoke,misspoken misspell:misspelt misspend:misspent
  mistake:mistaken,mistook misteach:mistaught misunderstand:misunderstood miswrite:miswritten,miswrote
  mitochondrion:mitochondria momentum:momenta monopodium:monopodia mooncalf:mooncalves moratorium:moratoria
  mouse:mice mow:mown murex:murices mycobacterium:mycobacteria myocardium:myocardia mythos:mythoi
  natatorium:natatoria nemesis:nemeses nephridium:nephridia neurosis:neuroses nimbus:nimbi
  nonplus:nonplussed,nonplusses,nonplussing noumenon:noumena nucleolus:nucleoli nucleus:nuclei oasis:oases
  occiput:occipita oceanarium:oceanaria octopus:octopi oedema:oedemata old:elder,eldest oldwife:oldwives
  ommatidium:ommatidia omphalos:omphaloi optimum:optima outbid:outbidden outbreed:outbred outdo:outdid,outdone
  outdraw:outdrawn,outdrew outdrink:outdrank,outdrunk outdrive:outdriven,outdrove outfight:outfought
  outfly:outflew,outflown outgas:outgassed,outgasses,outgassing outgeneral:outgeneralled,outgeneralling
  outgo:outgone,outwent outgrow:outgrew,outgrown outlay:outlaid outleap:outleapt outride:outridden,outrode
  outrun:outran outsell:outsold outshine:outshone outshoot:outshot outsing:outsang,outsung outsit:outsat
  outsleep:outslept outsmell:outsmelt outspeak:outspoke,outspoken outspeed:outsped outspend:outspent
  outstand:outstood outswear:outswore,outsworn outswim:outswam,outswum outthink:outthought
  outthrow:outthrew,outthrown outwear:outwore,outworn outwrite:outwritten,outwrote overbear:overbore,overborne
  overbid:overbidden overblow:overblew,overblown overbreed:overbred overbuild:overbuilt overbuy:overbought
  overcome:overcame overdo:overdid,overdone overdraw:overdrawn,overdrew overdrink:overdrank,overdrunk
  overdrive:overdriven,overdrove overeat:overate,overeaten overfeed:overfed overflow:overflown overfly:overflew
  overgrow:overgrew,overgrown overhang:overhung overhear:overheard overlay:overlaid overpass:overpast
  overpay:overpaid override:overridden,overrode overrun:overran oversee:oversaw,overseen oversell:oversold
  oversew:oversewn overshoot:overshot oversleep:overslept overspeak:overspoke,overspoken overspend:overspent
  overspill:overspilt overtake:overtaken,overtook overthink:overthought overthrow:overthrew,overthrown
  overwind:overwound overwrite:overwritten,overwrote ovum:ova ox:oxen pal:palled,palling
  panic:panicked,panicking paperknife:paperknives paralysis:paralyses parapodium:parapodia
  parenthesis:parentheses partake:partaken,partook pasquinade:pasquil,pasquilled,pasquilling,pasquils
  passerby:passersby pay:paid pen:pent penknife:penknives penny:pence pericardium:pericardia
  perichondrium:perichondria peridium:peridia perihelion:perihelia perinephrium:perinephria person:people
  phalanx:phalanges phenomenon:phenomena phylum:phyla physic:physicked,physicking picnic:picnicked,picnicking
  planetarium:planetaria plasmodium:plasmodia plateau:plateaus,plateaux plead:pled ploughman:ploughmen
  pocketknife:pocketknives podium:podia policeman:policemen pollex:pollices polyhedron:polyhedra
  polyparium:polyparia polyzoarium:polyzoaria pontifex:pontifices prebuild:prebuilt predo:predid,predone
  premake:premade prepay:prepaid presell:presold preshrink:preshrank,preshrunk primordium:primordia pro:pros
  prognosis:prognoses program:programmes prolegomenon:prolegomena prologue:prologed,prologing,prologs
  proptosis:proptoses prosthesis:prostheses prove:proven psalterium:psalteria pseudopodium:pseudopodia
  ptosis:ptoses puparium:puparia pycnidium:pycnidia pygidium:pygidia pyxidium:pyxidia quantum:quanta
  quartersaw:quartersawn quiz:quizzed,quizzes,quizzing radius:radii radix:radices rearmouse:rearmice reave:reft
  reawake:reawaken,reawoke rebind:rebound rebuild:rebuilt rectrix:rectrices redeal:redealt redo:redid,redone
  redraw:redrawn,redrew referendum:referenda regrind:reground regrow:regrew,regrown rehang:rehung
  rehear:reheard relay:relaid relearn:relearnt relight:relit remake:remade rend:rent repay:repaid
  reremouse:reremice rerun:reran resell:resold resend:resent resew:resewn resit:resat retake:retaken,retook
  reteach:retaught retear:retore,retorn retell:retold rethink:rethought rev:revved,revving
  rewake:rewaken,rewoke rewear:rewore,reworn reweave:rewove,rewoven rewed:rewedded rewin:rewon rewind:rewound
  rewrite:rewritten,rewrote ride:ridden,rode ring:rang,rung rise:risen,rose rive:riven rosarium:rosaria
  rostrum:rostra run:ran sacrarium:sacraria salesperson:salespeople sanitarium:sanitaria sarcophagus:sarcophagi
  saw:sawn say:said scarf:scarves schema:schemata scolex:scolices scriptorium:scriptoria scrotum:scrota
  see:saw,seen seek:sought self:selves sell:sold send:sent separatrix:separatrices septarium:septaria
  seraph:seraphim sew:sewn shake:shaken,shook shave:shaven shear:shorn shelf:shelves
  shellac:shellacked,shellacking shend:shent shew:shewn shine:shone shinleaf:shinleaves shit:shat shoe:shod
  shoot:shot show:shown shrewmouse:shrewmice shrink:shrank,shrunk,shrunken shrive:shriven,shrove
  sic:sicked,sicking sightsee:sightsaw,sightseen silex:silices simulacrum:simulacra sing:sang,sung
  sink:sank,sunk,sunken sit:sat skydive:skydove slay:slain,slew sleep:slept slide:slid,slidden sling:slung
  slink:slunk smell:smelt smite:smit,smitten,smote snaggletooth:snaggleteeth sneak:snuck socman:socmen
  solarium:solaria soliloquy:soliloquies solo:soli soma:somata soothsay:soothsaid soprano:soprani sow:sown
  spadix:spadices speak:spoke,spoken spectrum:spectra speculum:specula speed:sped spell:spelt
  spellbind:spellbound spend:spent sphinx:sphinges spill:spilt spin:spun spit:spat splayfoot:splayfeet
  spoil:spoilt spokesman:spokesmen spotlight:spotlit spring:sprang,sprung squeegee:squilgee stadium:stadia
  stamen:stamina staminodium:staminodia stand:stood stave:stove steal:stole,stolen stenosis:stenoses
  stepchild:stepchildren stick:stuck stigma:stigmata stimulus:stimuli sting:stung stink:stank,stunk
  stoma:stomata stratum:strata strew:strewn stride:stridden,strode strike:stricken,struck string:strung
  strive:striven,strove strow:strown stylopodium:stylopodia stylus:styli subcortex:subcortices
  subdelirium:subdeliria subindex:subindices subtotal:subtotalled,subtotalling succubus:succubi
  sudarium:sudaria sudatorium:sudatoria sunburn:sunburnt swap:swopped,swopping,swops swear:swore,sworn
  sweep:swept sweetiewife:sweetiewives swell:swollen swim:swam,swum swing:swung syconium:syconia
  syllabus:syllabi sympodium:sympodia symposium:symposia synclinorium:synclinoria synopsis:synopses
  synthesis:syntheses tableau:tableaus,tableaux take:taken,took talc:talcked,talcking teach:taught
  tear:tore,torn tectrix:tectrices tell:told tempo:tempi tenderfoot:tenderfeet terrarium:terraria testis:testes
  that:those thesis:theses thickleaf:thickleaves thief:thieves think:thought this:these thrive:thriven,throve
  thrombus:thrombi throw:threw,thrown titmouse:titmice tooth:teeth torrefy:torrify torus:tori
  traffic:trafficked,trafficking trammel:trameled,trameling,tramelled,tramelling,tramels transfix:transfixt
  transship:tranship trapezium:trapezia trauma:traumata tread:trod,trodden trek:trekked,trekking
  triforium:triforia typewrite:typewritten,typewrote ultimatum:ultimata umbilicus:umbilici unbend:unbent
  unbind:unbound unclothe:unclad underbuy:underbought underfeed:underfed undergird:undergirt
  undergo:undergone,underwent underlay:underlaid underpay:underpaid undersell:undersold undershoot:undershot
  underspend:underspent understand:understood undertake:undertaken,undertook underwrite:underwritten,underwrote
  undo:undid,undone unfreeze:unfroze,unfrozen unhang:unhung unhide:unhidden unlay:unlaid unlearn:unlearnt
  unmake:unmade unreeve:unrove unsay:unsaid unsew:unsewn unsling:unslung unspin:unspun unstick:unstuck
  unstring:unstrung unswear:unswore,unsworn unteach:untaught unthink:unthought untread:untrod,untrodden
  unweave:unwove,unwoven unwind:unwound upbuild:upbuilt upheave:uphove uphold:upheld uprise:uprisen,uprose
  upspring:upsprang,upsprung upsweep:upswept upswell:upswollen upswing:upswung uredium:uncidia uterus:uteri
  vacuum:vacua varix:varices velarium:velaria velum:vela vertex:vertices vie:vying viscus:viscera
  vivarium:vivaria vortex:vortices wake:woke,woken waylay:waylaid wear:wore,worn weave:wove,woven weep:wept
  werewolf:werewolves wharf:wharves whipsaw:whipsawn whiz:whizzed,whizzes,whizzing wife:wives will:would
  win:won wind:wound winterfeed:winterfed wiredraw:wiredrawn,wiredrew withdraw:withdrawn,withdrew
  withhold:withheld withstand:withstood wolf:wolves woman:women work:wrought wring:wrung write:written,wrote
  yak:yakked,yakking zoonosis:zoonoses`;

/**
 * British spellings that no rule of ours brings to the American one, as `american:british,british`. From the npm package
 * american-british-english-translator 0.2 (MIT).
 */
export const BRITISH_SPELLINGS = `
  accouterments:accoutrements aerogram:aerogramme aerograms:aerogrammes aggrandizement:aggrandisement
  agonizingly:agonisingly airplanes:aeroplanes almanac:almanack almanacs:almanacks amphitheater:amphitheatre
  amphitheaters:amphitheatres appetizingly:appetisingly artifacts:artefacts balked:baulked balking:baulking
  balks:baulks banister:bannister banisters:bannisters bevies:bevvies bevy:bevvy bougainvillea:bougainvillaea
  bougainvilleas:bougainvillaeas caliper:calliper calipers:callipers calisthenics:callisthenics
  cataloged:catalogued cataloging:cataloguing centered:centred centerfold:centrefold centerfolds:centrefolds
  centerpiece:centrepiece centerpieces:centrepieces centigram:centigramme centigrams:centigrammes
  centiliter:centilitre centiliters:centilitres checkbook:chequebook checkbooks:chequebooks checkered:chequered
  chili:chilli chimera:chimaera chimeras:chimaeras clarinetist:clarinettist clarinetists:clarinettists
  connections:connexions councilor:councillor councilors:councillors counselor:counsellor
  counselors:counsellors cozier:cosier cozies:cosies coziest:cosiest cozily:cosily coziness:cosiness
  crueler:crueller cruelest:cruellest diarrhea:diarrhoea disk:disc disks:discs draftboard:draughtboard
  draftboards:draughtboards draftier:draughtier draftiest:draughtiest draftsman:draughtsman
  draftsmanship:draughtsmanship draftsmen:draughtsmen draftswoman:draughtswoman draftswomen:draughtswomen
  drafty:draughty edema:edoema eon:aeon eons:aeons epaulet:epaulette epaulets:epaulettes epicenter:epicentre
  epicenters:epicentres esthete:aesthete esthetes:aesthetes esthetic:aesthetic esthetically:aesthetically
  esthetics:aesthetics etiology:aetiology fecal:faecal feces:faeces fetal:foetal fetid:foetid fetus:foetus
  fetuses:foetuses fiberglass:fibreglass filet:fillet fileted:filleted fileting:filleting filets:fillets
  flutist:flautist flutists:flautists gage:gauge gaged:gauged gages:gauges gaging:gauging gluing:glueing
  gonorrhea:gonorrhoea grayed:greyed graying:greying grayish:greyish grayness:greyness griffin:gryphon
  griffins:gryphons grueling:gruelling gruelingly:gruellingly gypsies:gipsies homeopath:homoeopath
  homeopathic:homoeopathic homeopaths:homoeopaths homeopathy:homoeopathy inflection:inflexion
  inflections:inflexions jailbird:gaolbird jailbirds:gaolbirds jailbreak:gaolbreak jailbreaks:gaolbreaks
  jailed:gaoled jailer:gaoler jailers:gaolers jailing:gaoling jails:gaols judgment:judgement
  kilogram:kilogramme kilograms:kilogrammes lackluster:lacklustre leukemia:leukaemia likable:likeable
  louver:louvre louvered:louvred louvers:louvres maneuverability:manoeuvrability maneuverable:manoeuvrable
  maneuvered:manoeuvred maneuvering:manoeuvring maneuverings:manoeuvrings maneuvers:manoeuvres
  micrometer:micrometre micrometers:micrometres milligram:milligramme milligrams:milligrammes
  milliliter:millilitre milliliters:millilitres miter:mitre miters:mitres moisturize:moisturise
  moisturized:moisturised moisturizer:moisturiser moisturizers:moisturisers moisturizes:moisturises
  moisturizing:moisturising molded:moulded molder:moulder moldered:mouldered moldering:mouldering
  molders:moulders moldier:mouldier moldiest:mouldiest molding:moulding moldings:mouldings molds:moulds
  moldy:mouldy molt:moult molted:moulted molting:moulting molts:moults mustached:moustached
  mustaches:moustaches mustachioed:moustachioed omelets:omelettes organizational:organisational
  outmaneuver:outmanoeuvre outmaneuvered:outmanoeuvred outmaneuvering:outmanoeuvring outmaneuvers:outmanoeuvres
  pajama:pyjama paleolithic:palaeolithic paleontologist:palaeontologist paleontologists:palaeontologists
  paleontology:palaeontology panelist:panellist panelists:panellists patronizingly:patronisingly
  pharmacopeia:pharmacopoeia pharmacopeias:pharmacopoeias phony:phoney pizzazz:pzazz plowed:ploughed
  plowing:ploughing plowman:ploughman plowmen:ploughmen plows:ploughs plowshare:ploughshare
  plowshares:ploughshares pouf:pouffe poufs:pouffes practice:practise practiced:practised practices:practises
  practicing:practising presidium:praesidium presidiums:praesidiums primeval:primaeval
  recognizably:recognisably recognizance:recognisance reconnoiter:reconnoitre reconnoitered:reconnoitred
  reconnoitering:reconnoitring reconnoiters:reconnoitres remold:remould remolded:remoulded remolding:remoulding
  remolds:remoulds saltpeter:saltpetre scepter:sceptre scepters:sceptres sepulcher:sepulchre
  sepulchers:sepulchres sheik:sheikh siphon:syphon siphoned:syphoned siphoning:syphoning siphons:syphons
  skeptically:sceptically skepticism:scepticism skeptics:sceptics smolder:smoulder smoldered:smouldered
  smoldering:smouldering smolders:smoulders snowplow:snowplough sulfate:sulphate sulfates:sulphates
  sulfide:sulphide sulfides:sulphides sulfur:sulphur sulfurous:sulphurous tantalizingly:tantalisingly
  theatergoer:theatregoer theatergoers:theatregoers toxemia:toxaemia trialed:trialled trialing:trialling
  unequaled:unequalled videodisk:videodisc videodisks:videodiscs woolen:woollen woolens:woollens
  woolies:woollies wooly:woolly worshiper:worshipper yogurt:yoghourt,yoghurt yogurts:yoghourts,yoghurts`;
