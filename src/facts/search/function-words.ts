/**
 * Function words of languages other than English: from the lists of Snowball (Martin Porter, BSD
 * licence) as the npm package @orama/stopwords 3.1 (Apache-2.0) has them; for Arabic, Basque, Catalan, Czech, Greek,
 * Hebrew, Hindi, Persian, Polish, Slovene and Ukrainian from the npm package stopword 3.1 (MIT). Question words are
 * added, and words that are long enough to say something are left out.
 */
export const FUNCTION_WORDS: Readonly<Record<string, string>> = {
  danish: `ad af alle alt anden at blev blive bliver da de dem den denne der deres det dette dig din disse dog du efter
    eller en end er et for fra ham han hans har havde have hende hendes her hos hun hvad hvem hvilken hvis hvor
    hvordan hvorfor hvornår i ikke ind jeg jer jo kunne man mange med meget men mig min mine mit mod ned noget
    nogle nu når og også om op os over på selv sig sin sine sit skal skulle som sådan thi til ud under var vi vil
    ville vor være været`,
  dutch: `aan al alles als altijd andere ben bij daar dan dat de der deze die dit doch doen door dus een eens en er ge
    geen geweest haar had heb hebben heeft hem het hier hij hoe hun iemand iets ik in is ja je kan kon kunnen
    maar me meer men met mij mijn moet na naar niet niets nog nu of om omdat onder ons ook op over reeds te tegen
    toch toen tot u uit uw van veel voor waar waarom wanneer want waren was wat welke werd wezen wie wil worden
    wordt zal ze zelf zich zij zijn zo zonder zou`,
  finnish: `ei eivät emme en et ette että he heidän heidät heihin heille heillä heiltä heissä heistä heitä hän häneen
    hänelle hänellä häneltä hänen hänessä hänestä hänet häntä itse ja johon joiden joihin joiksi joilla joille
    joilta joina joissa joista joita joka joksi jolla jolle jolta jona jonka jos jossa josta jota jotka kanssa
    keiden keihin keiksi keille keillä keiltä keinä keissä keistä keitä keneen keneksi kenelle kenellä keneltä
    kenen kenenä kenessä kenestä kenet ketkä ketä koska kuin kuka kun me meidän meidät meihin meille meillä
    meiltä meissä meistä meitä mihin miksi mikä mille milloin millä miltä minkä minua minulla minulle minulta
    minun minussa minusta minut minuun minä missä mistä miten mitkä mitä mukaan mutta ne niiden niihin niiksi
    niille niillä niiltä niin niinä niissä niistä niitä noiden noihin noiksi noilla noille noilta noin noina
    noissa noista noita nuo nyt näiden näihin näiksi näille näillä näiltä näinä näissä näistä näitä nämä ole
    olemme olen olet olette oli olimme olin olisi olisimme olisin olisit olisitte olisivat olit olitte olivat
    olla olleet ollut on ovat poikki se sekä sen siihen siinä siitä siksi sille sillä siltä sinua sinulla sinulle
    sinulta sinun sinussa sinusta sinut sinuun sinä sitä tai te teidän teidät teihin teille teillä teiltä teissä
    teistä teitä tuo tuohon tuoksi tuolla tuolle tuolta tuon tuona tuossa tuosta tuota tähän täksi tälle tällä
    tältä tämä tämän tänä tässä tästä tätä vaan vai vaikka yli`,
  french: `ai aie aient aies ait as au aura aurai auraient aurais aurait auras aurez auriez aurions aurons auront aux
    avaient avais avait avec avez aviez avions avons ayant ayez ayons c ce ceci cela celà ces cet cette chez
    combien comment d dans de des du elle en es est et eu eue eues eurent eus eusse eussent eusses eussiez
    eussions eut eux eûmes eût eûtes furent fus fusse fussent fusses fussiez fussions fut fûmes fût fûtes ici il
    ils j je l la le les leur leurs lui m ma mais me mes moi mon même n ne nos notre nous on ont ou où par pas
    pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se sera serai seraient serais serait
    seras serez seriez serions serons seront ses soi soient sois soit sommes son sont soyez soyons suis sur t ta
    te tes toi ton très tu un une vos votre vous y à étaient étais était étant étiez étions été étée étées étés
    êtes`,
  german: `aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes anderm andern
    anderr anders auch auf aus bei bin bis bist da damit dann das dasselbe dazu daß dein deine deinem deinen
    deiner deines dem demselben den denn denselben der derer derselbe derselben des desselben dessen dich die
    dies diese dieselbe dieselben diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer
    eines einig einige einigem einigen einiger einiges einmal er es etwas euch euer eure eurem euren eurer eures
    für gegen gewesen hab habe haben hat hatte hatten heißen heißt hier hin hinter ich ihm ihn ihnen ihr ihre
    ihrem ihren ihrer ihres im in indem ins ist jede jedem jeden jeder jedes jene jenem jenen jener jenes jetzt
    kann kein keine keinem keinen keiner keines können könnte machen man manche manchem manchen mancher manches
    mein meine meinem meinen meiner meines mich mir mit muss musste nach nicht nichts noch nun nur ob oder ohne
    sehr sein seine seinem seinen seiner seines selbst sich sie sind so solche solchem solchen solcher solches
    soll sollte sondern sonst um und uns unse unsem unsen unser unses unter viel vom von vor wann war waren warst
    warum was weg weil weiter welche welchem welchen welcher welches wem wen wenn wer werde werden weshalb wessen
    wie wieder wieso will wir wird wirst wo woher wohin wollen wollte während würde würden zu zum zur zwar
    zwischen über`,
  hungarian: `a abba abban abból addig ahhoz ahogy ahol aki akik akkor akár alatt alá alád alám alánk alól alóla amely ami
    amit amott amíg annak annál arra arról attól az aznap azok azon azt aztán azzal azzá azért bal balra ban be
    belé beléd belém belül ben benne bár búcsú cikk csak de e ebbe ebben ebből eddig egy egyes egyet egyik egyre
    egyéb egész ehhez ekkor el ellen első elsők elsőt elé eléd elég elém elénk elő előbb elől előle előtt előző
    engem ennek ennyi ennél enyém erre erről ettől ez ezek ezen ezer ezret ezt ezzel ezzé ezért fel fele felek
    felet felé fent fenti fél fölé ha halló hamar hanem hat hatot hetet hiába hogy hol hova hozzá hurrá hány
    három hát hátha hét húsz ide idén igen ill ilyen immár is ismét ison itt jó jól jóval kell kettő kevés ki
    kiben kiből kihez kik kikbe kiken kiket kikké kikre kin kinek kinél kire kiről kit kitől kivel kivé kié kiért
    kérem kész késő későn két kívül körül közel közé közül külön le lehet lenne lenni lesz lett lévő ma maga
    magad magam magát mai majd meg mellé mely mert mi miatt mibe miben miből mihez mik mikbe miken miket mikké
    mikor mikre min mind minek mint minél mire miről mit mitől mivel mivé miért most már más másik mások mást még
    mégis míg mögé mögéd mögém mögül múlva na nagy napot ne neked nekem neki nekik nem nincs nyolc nála nálad
    nálam náluk négy néha o oda ok olyan onnan ott pedig pár rajta rá rád rájuk rám ránk rátok régen róla rólad
    rólam róluk s saját se sem semmi senki soha sok sokan sokat során száz szét sőt talán te tehát tele ti tied
    tizet távol téged tíz több többi túl tőle tőled tőlem tőlük ugye urak uram urat után utána vagy vajon való
    van vele veled velem velük volna volt végre végén végül által ám át éljen én éppen érte érted értem értük és
    év évben éve évek éves évi évvel így óta ön önbe önben önből önhöz önnek önnel önnél önre önről önt öntől
    önért önök önön össze öt ötven ötöt úgy úgyis új újabb újra úr ő ők őket őt`,
  italian: `a abbia abbiamo abbiano abbiate ad agl agli ai al all alla alle allo anche avemmo avendo avesse avessero
    avessi avessimo aveste avesti avete aveva avevamo avevano avevate avevi avevo avrai avranno avrebbe avrebbero
    avrei avremmo avremo avreste avresti avrete avrà avrò avuta avute avuti avuto c che chi ci coi col come con
    contro cosa cui da dagl dagli dai dal dall dalla dalle dallo degl degli dei del dell della delle dello di dov
    dove e ebbe ebbero ebbi ed era erano eravamo eravate eri ero essendo faccia facciamo facciano facciate faccio
    facemmo facendo facesse facessero facessi facessimo faceste facesti faceva facevamo facevano facevate facevi
    facevo fai fanno farai faranno farebbe farebbero farei faremmo faremo fareste faresti farete farà farò fece
    fecero feci fosse fossero fossi fossimo foste fosti fu fui fummo furono gli ha hai hanno ho i il in io l la
    le lei li lo loro lui ma mi mia mie miei mio ne negl negli nei nel nell nella nelle nello noi non nostra
    nostre nostri nostro o per perché più quale quali quando quanta quante quanti quanto quella quelle quelli
    quello questa queste questi questo sarai saranno sarebbe sarebbero sarei saremmo saremo sareste saresti
    sarete sarà sarò se sei si sia siamo siano siate siete sono sta stai stando stanno starai staranno starebbe
    starebbero starei staremmo staremo stareste staresti starete starà starò stava stavamo stavano stavate stavi
    stavo stemmo stesse stessero stessi stessimo steste stesti stette stettero stetti stia stiamo stiano stiate
    sto su sua sue sugl sugli sui sul sull sulla sulle sullo suo suoi ti tra tu tua tue tuo tuoi tutti tutto un
    una uno vi voi vostra vostre vostri vostro è`,
  norwegian: `alle at av bare begge ble blei bli blir blitt både båe da de deg dei deim deira deires dem den denne der dere
    deres det dette di din disse ditt du dykk dykkar då eg ein eit eitt eller elles en enn er et ett etter for
    fordi fra før ha hadde han hans har hennar henne hennes her hjå ho hoe honom hoss hossen hun hva hvem hver
    hvilke hvilken hvis hvor hvordan hvorfor i ikke ikkje ingen ingi inkje inn inni ja jeg kan kom korleis korso
    kun kunne kva kvar kvarhelst kven kvi kvifor man mange me med medan meg meget mellom men mi min mine mitt mot
    mykje ned no noe noen noka noko nokon nokor nokre nå når og også om opp oss over på samme seg selv si sia
    sidan siden sin sine sitt sjøl skal skulle slik so som somme somt så sånn til um upp ut uten var vart varte
    ved vere verte vi vil ville vore vors vort vår være vært å`,
  portuguese: `a ao aos aquela aquelas aquele aqueles aquilo as até com como da das de dela delas dele deles depois do dos e
    ela elas ele eles em entre era eram essa essas esse esses esta estamos estas estava estavam este esteja
    estejam estejamos estes esteve estive estivemos estiver estivera estiveram estiverem estivermos estivesse
    estivessem estivéramos estivéssemos estou está estávamos estão eu foi fomos for fora foram forem formos fosse
    fossem fui fôramos fôssemos haja hajam hajamos havemos hei houve houvemos houver houvera houveram houverei
    houverem houveremos houveria houveriam houvermos houverá houverão houveríamos houvesse houvessem houvéramos
    houvéssemos há hão isso isto já lhe lhes mais mas me mesmo meu meus minha minhas muito na nas nem no nos
    nossa nossas nosso nossos num numa não nós o onde os ou para pela pelas pelo pelos por porque quais qual
    quando quanto que quem se seja sejam sejamos sem serei seremos seria seriam será serão seríamos seu seus
    somos sou sua suas são só também te tem temos tenha tenham tenhamos tenho terei teremos teria teriam terá
    terão teríamos teu teus teve tinha tinham tive tivemos tiver tivera tiveram tiverem tivermos tivesse tivessem
    tivéramos tivéssemos tu tua tuas tém tínhamos um uma você vocês vos à às éramos`,
  romanian: `acea aceasta această aceea acei aceia acel acela acele acelea acest acesta aceste acestea aceşti aceştia
    acolo acord acum ai aia aibă aici al ale alea altceva am ar are asta astea astăzi asupra au avea avem aveţi
    azi aş aşadar aţi bine bucur bună ca care caut ce cel ceva chiar cinci cine cineva contra cu cum cumva curând
    curînd când cât câte câtva câţi cînd cît cîte cîtva cîţi că căci cărei căror cărui către da dacă dar dată dau
    de deci deja departe deşi din dintre doi doilea două drept după dă ea ei el ele eram este eu eşti face fata
    fi fie fiecare fii fim fiu fiţi frumos fără graţie halbă iar ieri la le li lor lui lângă lîngă mai mea mei
    mele mereu meu mi mie mine mult multă mulţi mâine mîine mă ne nevoie nici nimeni nimeri nimic nişte noastre
    noastră noi noroc nostru nouă noştri nu opt ori oricare orice oricine oricum oricând oricât oricînd oricît
    oriunde patra patru pe pentru peste pic poate pot prea prima primul prin puţin puţina puţină până pînă rog sa
    sale sau se spate spre sub sunt suntem sunteţi sută sînt sîntem sînteţi să săi său ta tale te timp tine toate
    toată tot totuşi toţi trei treia treilea tu tăi tău un una unde undeva unei uneia unele uneori unii unor
    unora unu unui unuia unul vi voastre voastră voi vostru vouă voştri vreme vreo vreun vă zece zero zi zice îi
    îl îmi în înainte încotro încât încît între îţi ăla ălea ăsta ăstea ăştia şapte şase şi ştiu ţi ţie`,
  russian: `а без более больше будет будто бы был была были было быть в вам вас вдруг ведь во вот впрочем все всегда
    всего всех всю вы где говорил да даже два для до другой его ее ей ему если есть еще ж же жизнь за зачем здесь
    и из или им иногда их к кажется как какая какой когда конечно кто куда ли лучше между меня мне много может
    можно мой моя мы на над надо наконец нас не него нее ней нельзя нет ни нибудь никогда ним них ничего но ну о
    об один он она они опять от перед по под после потом потому почти при про раз разве с сам свою себе себя
    сегодня сейчас сказал сказала сказать со совсем так такой там тебя тем теперь то тогда того тоже только том
    тот три тут ты у уж уже хорошо хоть чего человек чем через что чтоб чтобы чуть эти этого этой этом этот эту я`,
  spanish: `a acuerdo ademas además adrede afirmó agregó ahi ahora ahí al algo alguna algunas alguno algunos algún alli
    allí ambos antano antaño ante antes apenas aquel aquella aquello aqui aquél aquélla aquí arriba aseguró asi
    así atras aun aunque ayer añadió aún b bajo bien breve buen buena buenas bueno buenos c cada casi cerca
    cierta ciertas cierto ciertos cinco claro comentó como con conmigo conocer consigo contigo contra cosas creo
    cual cuales cuando cuanta cuantas cuanto cuantos cuatro cuenta cuál cuáles cuándo cuánta cuántas cuánto
    cuántos cómo d da dado dan dar de debajo debe deben debido decir dejó del delante demás dentro deprisa desde
    despues después detras detrás dia dias dice dicen dicho dieron dijeron dijo dio donde dos durante día días
    dónde e ejemplo el ella ellas ello ellos embargo emplean emplear empleas empleo en encima entre era eramos
    eran eras eres es esa esas ese eso esos esta estaba estaban estado estados estais estamos estan estar estará
    estas este esto estos estoy estuvo está están ex excepto existe existen explicó expresó f fin final fue fuera
    fueron fui fuimos g general gran grandes gueno h ha haber habia habla hablan habrá había habían hace haceis
    hacemos hacen hacer hacerlo haces hacia hago han hasta hay haya he hecho hemos hizo horas hoy hubo i igual
    incluso indicó informo informó intenta intento ir j junto k l la lado largo las le lejos les llegó lleva
    llevar lo los luego lugar m mal manera mas mayor me medio mejor menos menudo mi mia mias mio mios mis misma
    mismas mismo mismos modo momento mucha muchas mucho muchos muy más mí mía mías mío míos n nada nadie ni
    ninguna ninguno ningún no nos nuestra nuestro nueva nuevas nuevo nuevos nunca o ocho os otra otras otro otros
    p pais para parece parte partir pasada pasado paìs peor pero pesar poca pocas poco pocos podeis podemos poder
    podria podrian podrias podrá podrán podría podrían poner por porque posible primer primera primero pronto
    propia propias propio propios proximo próximo pudo pueda puede pueden puedo pues q qeu que quedó quien
    quienes quiere quiza quizas quizá quizás quién quiénes qué r raras realizó repente s sabe sabeis sabemos
    saben saber sabes salvo se sea sean segun segunda segundo según seis ser sera será serán sería señaló si sido
    siempre siendo siete sigue sin sino sobre sois sola solas solo solos somos son soy soyos su sus suya suyas
    suyo sé sí sólo t tal tambien también tampoco tan tanto tarde te tendrá tendrán teneis tenemos tener tenga
    tengo tenido tenía tercera ti tiempo tiene tienen toda todas todavia todavía todo todos total trabaja trabajo
    tras trata través tres tu tus tuvo tuya tuyas tuyo tuyos tú u ultimo un una unas uno unos usa usais usamos
    usan usar usas uso usted ustedes v va vais valor vamos van varias varios vaya veces ver verdad vez voy
    vuestra vuestro w x y ya yo z él ésa ésas ése ésos ésta éstas éste éstos última últimas último últimos`,
  swedish: `alla allt att av blev bli blir blivit de dem den denna deras dess dessa det detta dig din dina ditt du där då
    efter ej eller en er era ert ett från för ha hade han hans har henne hennes hon honom hur här i icke ingen
    inom inte jag ju kan kunde man med mellan men mig min mina mitt mot mycket ni nu när någon något några och om
    oss på samma sedan sig sin sina sitta själv skulle som så sådan sådana sådant till under upp ut utan vad var
    vara varför varit varje vars vart vem vi vid vilka vilkas vilken vilket vår våra vårt än är åt över`,
  turkish: `acaba acep adeta altmış altı ama ancak arada aynen ayrıca az bana bari bazen bazı belki ben benden beni benim
    beri beş bile bin bir biraz biri birkaç birkez birçok birşey biz bizden bize bizi bizim bu buna bunda bundan
    bunlar bunu bunun burada böyle bütün da daha dahi dahil daima dair de defa deđil değil diye diđer diğer
    doksan dokuz dolayı dört edecek eden ederek ediyor elli en etmesi etti ettiği eđer eğer fakat gibi göre halen
    hangi hani hariç hatta hele hem henüz hep hepsi her herkes hiç hiçbir iken iki ila ile ilgili ilk illa ise
    iyi iyice için işte kadar karşın kendi kere kez ki kim kimden kime kimi kimse kırk lakin madem međer milyar
    milyon mu mü mı nasıl ne neden nerde nere nerede nereye niye niçin o olan olarak oldu olduğu olmadı olmak
    olması olmaz olsa olsun olup olur olursa oluyor on ona ondan onlar onlari onları onu onun otuz oysa pek
    rağmen sadece sanki sekiz seksen sen senden seni senin siz sizden sizi sizin sonra tüm var vardı ve veya ya
    yahut yani yapmak yaptı yedi yerine yetmiş yine yirmi yoksa yüz zaman zaten çok çünkü öyle üzere üç şey
    şeyden şeyi şeyler şu şuna şunda şundan şunu şöyle`,
  arabic: `آمينَ آه آهاً آي أ أب أجل أجمع أخ أخذ أصبح أضحى أقبل أقل أكثر ألا أم أما أمامك أمسى أمّا أن أنا أنت أنتم
    أنتما أنتن أنتِ أنشأ أنّى أو أوشك أولئك أولاء أوّهْ أي أيا أين أينما أيّ أَنَّ أُفٍّ إذ إذا إذاً إذما إذن إلى
    إليكم إليكَ إلّا إمّا إن إنّما إي إياك إياكم إياكن إيانا إياه إياها إياهم إياهن إياي إيهٍ إِنَّ ا ابتدأ اثر
    اجل احد اخرى اذا اربعة ارتدّ اطار اعادة اعلنت اف اكثر اكد الألى الا الان الاول التى التي الذى الذي الذين الف
    الوقت الى اليوم اما امام امس ان انبرى انقلب انه انها او اول اي ايار ايام ايضا ب بات باسم بان بخٍ برس بسبب بسّ
    بشكل بضع بطآن بعد بعض بك بكم بكما بكن بل بلى بما بماذا بمن بن بنا به بها بي بيد بين بَسْ تانِ تانِك تبدّل
    تجاه تحوّل تلقاء تلك تلكم تلكما تم تينك تِه تِي ثلاثة ثم ثمّ ثمّة ثُمَّ جعل جلل جميع جير حار حاشا حاليا حاي
    حتى حرى حسب حم حوالى حول حيث حيثما حين حيَّ خلا خلال دون دونك ذا ذات ذاك ذانك ذانِ ذلك ذلكم ذلكما ذلكن ذو ذوا
    ذواتا ذواتي ذيت ذينك ذِه ذِي راح رجع رويدك ريث رُبَّ زيارة سبحان سرعان سنة سنوات سوف سوى سَاءَ شبه شخصا شرع
    صار صباح صفر صهٍ صهْ ضد ضمن طاق طالما طفق طَق ظلّ عاد عام عاما عامة عدا عدة عدد عدم عسى عشر عشرة علق على عليك
    عليه عليها علًّ عن عند عندما عوض عين غدا غير ـ ف فان فلان فو فى في فيم فيما فيه فيها قال قام قبل قد قطّ قلما
    قوة كأين كأيّ كأيّن كاد كان كانت كذا كذلك كرب كل كلا كلتا كلم كلَّا كلّما كم كما كي كيت كيف كيفما كِخ لئن لا
    لات لدن لدى لعمر لقاء لك لكم لكما لكن لكي لكيلا للامم لم لما لمّا لن لنا له لها لو لولا لوما لي ما مابرح
    مادام ماذا مازال مافتئ مايو متى مثل مذ مساء مع معاذ مقابل مليار مليون مما ممن من منذ منها مه مهما مَنْ مِن
    نحن نحو نعم نفس نفسه نهاية نَخْ ها هاؤم هاكَ هاهنا هبّ هذا هذه هكذا هل هلمَّ هلّا هم هما هن هنا هناك هنالك هو
    هي هيا هيت هيّا هَجْ هَذا هَذِه هَذِي و وا واحد واضاف واكد وان واهاً واوضح وفي وقال وقالت وقد وقف وكان وكانت
    ولا ولم ومن وهو وهي وَيْ يكون يمكن يوم ّآض`,
  armenian: `այդ այլ այն այս դու դուք եմ են ենք ես եք է էի էին էինք էիր էիք էր ըստ թ ի ին իսկ իր կամ համար հետ հետո մենք
    մեջ մի ն նա նաև նրա նրանք որ որը որոնք որպես ու ում պիտի վրա և`,
  catalan: `a abans ací ah així això al algun alguna algunes alguns alhora allà allí allò als altra altre altres amb
    ambdues ambdós apa aquell aquella aquells aquest aquesta aquests aquí baix cada cadascú com contra dalt de
    del dels des després dins dintre donat doncs durant e eh el els em en encara ens entre eren es esta estaven
    esteu està estàvem estàveu et etc ets fins fora gairebé ha han has havia he hem heu hi ho i igual iguals ja
    la les li llavors ma mal malgrat mateix mateixa me mentre meu meus meva meves molt molta moltes molts mon
    mons més ne ni no només nostra nostre nostres o oh oi on pas pel pels per perquè però poc poca pocs poques
    potser propi qual quals quan quant que quelcom qui quin quina quines quins què sa ses seu seus seva seves si
    sobre sols son sons sota sou sóc són ta tal també tampoc tan tant tanta tantes teu teus teva teves ton tons
    tot tota totes tots un una unes uns us va vaig vam van vas veu vostra vostre vostres érem éreu és`,
  czech: `a aby ahoj aj ale anebo ani ano asi aspoň atd atp ačkoli až bez beze blízko brzo bude budem budeme budete
    budeš budou budu by byl byla byli bylo byly bys být během chce chceme chcete chceš chci chtít chtějí chuti co
    což cz daleko další den deset devět dnes do dobrý docela dva dvacet dvě dál dále děkuji ho hodně i jak jako
    jakož jde je jeden jedna jedno jednou jedou jeho jehož jej jejich její jemu jen jenom jestli ještě jež ji
    jich jimi jinak jiné již jsem jseš jsi jsme jsou jste já jí jím jíž k kam kde kdo kdy když ke kolik kromě
    kterou která které který kteří kvůli mají mezi mi mne mnou mně moc mohl mohou moje moji možná musí my má málo
    mám máme máte máš mé mí mít mě můj může na nad nade načež naše naši ne nebo nebyl nebyla nebyli nebyly nedělá
    neg nejsi nejsou nemají nemáme nemáte neměl není nevadí než nic nich nimi nové nový nula nám námi nás náš ním
    ně něco nějak někde někdo němu němuž o od ode on ona oni ono ony osm pak po pod podle pokud potom pouze pozdě
    pořád pravé pro prostě prosím proti proto proč první pta pět před přes přese při re rovně s se sedm si skoro
    smí smějí snad spolu sta sto strana sté své svých svým svými ta tady tak takhle taky také takže tam tamhle
    tamto tato tebe tebou tedy ten tento teto ti tipy tisíc tisíce to tobě tohle toho tohoto tom tomto tomu
    tomuto toto trošku tu tuto tvoje tvá tvé tvůj ty tyto téma tím tímto tě těm těmu třeba tři u určitě už v vaše
    vaši ve vedle večer vy vám vámi vás váš více však vůbec vždy z za zač zda zde ze zprávy zpět čau či článku
    články čtyři šest že`,
  irish: `a ach ag agus an aon ar arna as b ba beirt bhúr caoga ceathair ceathrar chomh chtó chuig chun cois céad cúig
    cúigear d daichead dar de deich deichniúr den dhá do don dtí dá dár dó faoi faoin faoina faoinár fara fiche
    gach gan go gur haon hocht i iad idir in ina ins inár is le leis lena lenár m mar mo mé na nach naoi naonúr
    ná ní níor nó nócha ocht ochtar os roimh sa seacht seachtar seachtó seasca seisear siad sibh sinn sna sé sí
    tar thar thú triúr trí trína trínár tríocha tú um ár é éis í ó ón óna ónár`,
  slovene: `a ali april b bi bil bila bile bili bilo biti blizu bo bodo bojo bolj bom bomo boste bova boš brez c cel cela
    celi celo d da daleč dan danes datum deset devet do dober dobra dobri dobro dol dolg dolga dolgi drug druga
    drugi drugo dva dve e eden en ena ene eni eno f g ga gor gospa h halo i ii iii in iv ix iz j jaz je ji jih
    jim jo julij junij jutri k kaj kajti kako kakor kamor kar kdaj kdo ker ki kje kjer ko koder koga komu kot l
    lahka lahke lahki lahko le lep lepa lepe lepi lepo leto m maj malce malo manj marec me med mene mesec mi
    midva midve mnogo moj moja moje mora moram moraš morem mu n na nad naj naju nam nas nato nazaj naš naša naše
    ne nek neka nekaj nekdo neke neki nekje neko nekoč ni nič nje njega njej njemu njen njena njeno nji njih
    njiju njim njo njun njuna njuno no nocoj o ob oba obe oboje od odprt okoli on one oni osem osma osmi osmo p
    pa pet peta petek peti peto po pod poleg poln polna polni polno potem prav prava prave pravi pravo pred prej
    preko pri proti prva prvi prvo r ravno redko res reč s saj sam sama same sami samo se sebe sebi sedaj sedem
    sedma sedmi sedmo sem si sicer skozi slab smo so spet sreda sta ste stran stvar sva t ta tak taka take taki
    tako takoj tam te tebe tebi tega težak težka težki težko ti tista tiste tisti tisto tja to toda torek tri tu
    tudi tukaj tvoj tvoja tvoje u v vaju vam vas vaš vaša vaše ve vedno velik ves več vi vidva vii viii visok vsa
    vsaj vsak vsaka vsake vsaki vse vsega vsi vso x z za zadaj zakaj zdaj zelo zunaj č če često čez čigav š šest
    šesta šesti šesto štiri ž že`,
  tamil: `அங்கு அங்கே அடுத்த அதனால் அதன் அதற்கு அதிக அதில் அது அதே அதை அந்த அந்தக் அந்தப் அன்று அல்லது அவன் அவரது அவர்
    அவர்கள் அவள் அவை ஆகிய ஆகியோர் ஆகும் இங்கு இங்கே இடத்தில் இடம் இதனால் இதனை இதன் இதற்கு இதில் இது இதை இந்த
    இந்தக் இந்தத் இந்தப் இன்னும் இப்போது இரு இருக்கும் இருந்த இருந்தது இருந்து இவர் இவை உன் உள்ள உள்ளது உள்ளன
    எந்த என எனக் எனக்கு எனப்படும் எனவும் எனவே எனினும் எனும் என் என்ன என்னும் என்பது என்பதை என்ற என்று என்றும்
    எல்லாம் ஏன் ஒரு ஒரே ஓர் கொண்ட கொண்டு கொள்ள சற்று சிறு சில சேர்ந்த தனது தன் தவிர தான் நான் நாம் நீ பற்றி
    பற்றிய பல பலரும் பல்வேறு பின் பின்னர் பிற பிறகு பெரும் பேர் போது போன்ற போல போல் மட்டுமே மட்டும் மற்ற மற்றும்
    மிக மிகவும் மீது முதல் முறை மேலும் மேல் யார் வந்த வந்து வரும் வரை வரையில் விட விட்டு வேண்டும் வேறு`,
  basque: `al anitz arabera asko baina bat batean batek bati batzuei batzuek batzuetan batzuk bera beraiek berau berauek
    bere berori beroriek beste bezala da dago dira ditu du dute edo egin ere eta eurak ez gainera gu gutxi guzti
    haiei haiek haietan hainbeste hala han handik hango hara hari hark hartan hau hauei hauek hauetan hemen
    hemendik hemengo hi hona honek honela honetan honi hor hori horiei horiek horietan horko horra horrek horrela
    horretan horri hortik hura izan ni noiz nola non nondik nongo nor nora ze zein zen zenbait zenbat zer
    zergatik ziren zituen zu zuek zuen zuten`,
  polish: `a aby ach acz aj albo ale ależ ani aż bardzo bo bowiem by byli być był była było były będzie będą cali cała
    cały ci ciebie cię co coś czasem czemu czy czyli daleko dla do dobrze dokąd dość dużo dwa dwaj dwie dwoje
    dziś gdy gdyby gdyż gdzie gdzieś i ich ile im inna inne inny innych iż ja jak jakaś jakby jaki jakie jakiś
    jakiż jako jakoś je jeden jedna jednak jedno jego jej jemu jest jestem jeśli jeżeli już ją każdy kiedy kilka
    kimś kto ktoś która które której który którym którzy ku lat lecz lub ma mają mam mało mi mimo między mnie mną
    mogą moi moim moja moje może można mu musi my mój na nad nam nami nas nasi nasz nasza nasze nawet nic nich
    nie niech niego niej niemu nigdy nim nimi nią niż no o obok od około on ona one oni ono oraz oto owszem pan
    pana pani po pod pomimo ponad poza prawie przed przede przez przy roku sam sama się skąd sobie sobą sposób
    swoje są ta tak taka taki takie także tam te tego tej temu ten teraz też to tobie tobą toteż trzeba tu tutaj
    twoi twoim twoja twoje twym twój ty tych tylko tym tę u w wam wami was wasz wasza wasze we według wiele wielu
    więc więcej wtedy wy z za zawsze zaś ze znowu znów został zł żaden żadna żadne że żeby`,
  hindi: `अंदर अत अदि अप अपना अपनि अपनी अपने अभि अभी आदि आप इंहिं इंहें इंहों इतयादि इत्यादि इन इनका इन्हीं इन्हें
    इन्हों इस इसका इसकि इसकी इसके इसमें इसि इसी इसे उंहिं उंहें उंहों उन उनका उनकि उनकी उनके उनको उन्हीं उन्हें
    उन्हों उस उसके उसि उसी उसे एक एवं एस एसे ऐसे ओर और कइ कई कर करता करते करना करने करें कहते कहा का काफ़ी काफि
    कि किंहें किंहों कितना किन्हें किन्हों किया किर किस किसि किसी किसे की कुछ कुल के को कोइ कोई कोन कोनसा कौन
    कौनसा गया घर जब जहाँ जहां जा जिंहें जिंहों जितना जिधर जिन जिन्हें जिन्हों जिस जिसे जीधर जेसा जेसे जैसा जैसे
    जो तक तब तरह तिंहें तिंहों तिन तिन्हें तिन्हों तिस तिसे तो था थि थी थे दबारा दवारा दिया दुसरा दुसरे दूसरे दो
    द्वारा न नहिं नहीं ना निचे निहायत नीचे ने पर पहले पुरा पूरा पे फिर बनि बनी बहि बही बहुत बाद बाला बिलकुल भि
    भितर भी भीतर मगर मानो मे में यदि यह यहाँ यहां यहि यही या यिह ये रखें रवासा रहा रहे ऱ्वासा लिए लिये लेकिन व
    वग़ैरह वगेरह वरग वर्ग वह वहाँ वहां वहिं वहीं वाले वुह वे संग सकता सकते सबसे सभि सभी साथ साबुत साभ सारा से सो
    हि ही हुअ हुआ हुइ हुई हुए हे हें है हैं हो होता होति होती होते होना होने`,
  persian: `از الا اما اندر اکنون اگر اگرچه اینکه با باری بالعکس باید بدون بر برای بلکه بنابراین به بی تا جز در را روی
    زیرا سپس شاید غیر لیکن مانند مثل مگر نه نیز هرچند هم همان همانند همچو و وانگهی ولو ولی پس چنانچه چه چون که`,
  ukrainian: `а або авжеж адже аж але ані б без би бо був була були було бути більш в вам вами вас весь вже вздовж ви вниз
    внизу вона вони воно все всередині вся всіх від він да давай давати де десь дещо для до ж же з за завжди
    замість зі й його йому коли ледве лиш майже мене мені ми мною мов мого може моя моє моєї мої моїх між мій на
    навколо навіть над нам нами нас наче наш не нема немов неначе нею неї ним ними них нього нє ні ніби ніщо о
    ось от отже отож по поза про під сам сама свою своя свої свій себе собі та так така такий також там твого
    твоя твоєї твої твій те тебе ти то тобою тобто тобі тоді тож той тощо тут ті тільки у хоч хоча хіба це цей ця
    ці чи чого ще що щоб щось я як яка який якої є і із інших їй їм їх її`,
  greek: `αλλα αν αντι απο αυτα αυτεσ αυτη αυτο αυτοι αυτοσ αυτουσ αυτων για δε δεν εαν ειμαι ειμαστε ειναι εισαι ειστε
    εκεινα εκεινεσ εκεινη εκεινο εκεινοι εκεινοσ εκεινουσ εκεινων ενω επι η θα ισωσ κ και κατα κι μα με μετα μη
    μην να ο οι ομωσ οπωσ οσο οτι παρα ποια ποιεσ ποιο ποιοι ποιοσ ποιουσ ποιων που προσ πωσ σε στη στην στο στον
    τα την τησ το τον τοτε του των ωσ`,
  hebrew: `אבל או אולי אותה אותו אותי אותך אותם אותן אותנו אז אחר אחרות אחרי אחרים אחרת אי איזה איך אין איפה איתה איתו
    איתי איתך איתכם איתכן איתם איתן איתנו אך אל אלה אלו אם אנחנו אני אס אף אצל אשר את אתה אתכם אתכן אתם אתן באמצע
    בגלל בין בלי במידה ברם בשביל בשעהש בתוך גם דרך הוא היא היה היכן היתה היתי הם הן הנה הרי ואילו ואת זאת זה זות
    יהיה יוכל יוכלו יכול יכולה יכל יכלה יכלו יש כאן כאשר כולם כולן כזה כי כיצד כך ככה כל כלל כמו כן כפי כש לא לאו
    לאן לבין לה להיות להם להן לו לי לכם לכן למה למטה למעלה למרות לנו לעבר לעיכן לפיכך לפני מאד מאין מאיפה מבלי
    מבעד מדוע מה מהיכן מול מחוץ מי מכאן מלבד מן מנין מסוגל מעט מעטים מעל מצד מתחת מתי נגד נגר נו עד עז על עלי
    עליה עליהם עליהן עליו עליך עליכם עלינו עם עצמה עצמהם עצמהן עצמו עצמי עצמם עצמן עצמנו פה רק שוב של שלה שלהם
    שלהן שלו שלי שלך שלכה שלכם שלכן שלנו שם תהיה תחת`,
};
