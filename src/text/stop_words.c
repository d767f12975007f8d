/* Function words: articles, pronouns, prepositions, conjunctions and auxiliary verbs, written down for this
 * program. Short on purpose: what a lyric is about must not be among them. */
#include "language.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *code, *code3, *name, *words;
} lists[] = {
    {"en", "eng", "english",
     "a an the and or but nor so if then than as at by for from in into of off on onto out over to up upon "
     "with "
     "without about after before between through during under again i me my mine myself you your yours "
     "yourself "
     "he him his himself she her hers herself it its itself we us our ours ourselves they them their theirs "
     "themselves this that these those who whom whose which what when where why how am is are was were be "
     "been "
     "being do does did doing done have has had having will would shall should can could may might must not "
     "no "
     "too very just also there here i'm i've i'll i'd you're you've you'll you'd he's she's it's we're we've "
     "we'll they're they've they'll that's there's what's don't doesn't didn't isn't aren't wasn't weren't "
     "haven't hasn't hadn't won't wouldn't can't couldn't shouldn't ain't"},
    {"de", "deu", "german",
     "der die das den dem des ein eine einen einem einer eines kein keine keinen keinem keiner und oder aber "
     "doch sondern denn weil dass daß wenn als ob wie so auch nur noch schon sehr mehr nicht nichts ja nein "
     "an "
     "am auf aus bei beim bis durch für gegen hinter im in ins mit nach neben ohne seit über um unter vom "
     "von "
     "vor während wegen zu zum zur zwischen ich mich mir mein meine meinen meinem meiner du dich dir dein "
     "deine "
     "deinen deinem deiner er ihn ihm sein seine seinen seinem seiner sie ihr ihre ihren ihrem ihrer es wir "
     "uns "
     "unser unsere euch euer eure man sich wer wen wem was wo wann warum hier da dort dann dieser diese "
     "dieses "
     "diesen diesem jener bin bist ist sind seid war warst waren wart gewesen wird werden wurde wurden würde "
     "würden habe hast hat haben habt hatte hatten hätte kann kannst können konnte muss musst müssen soll "
     "sollst "
     "sollen will willst wollen darf"},
    {"fr", "fra", "french",
     "le la les l un une des du de d au aux et ou mais donc or ni car que qu qui quoi dont où si comme quand "
     "à "
     "dans en par pour sur sous vers chez avec sans entre contre avant après depuis pendant je j me m moi "
     "mon ma "
     "mes tu te t toi ton ta tes il elle on se s soi son sa ses lui leur leurs nous notre nos vous votre vos "
     "ils "
     "elles eux ce c cet cette ces cela ça y ne n pas plus rien jamais très trop tout tous toute toutes même "
     "aussi encore suis es est sommes êtes sont étais était étaient être été sera serait ai as a avons avez "
     "ont "
     "avais avait avaient avoir eu aura fait faire peut peux c'est j'ai qu'il qu'elle qu'on n'est d'un d'une "
     "s'il t'es"},
    {"es", "spa", "spanish",
     "el la los las lo un una unos unas y e o u pero sino porque pues que qué quien quién cual cuál cuando "
     "cuándo donde dónde como cómo si sí no ni a al ante bajo con contra de del desde en entre hacia hasta "
     "para "
     "por según sin sobre tras yo me mí mi mis mío mía tú te ti tu tus tuyo tuya él ella ello se su sus suyo "
     "suya le les nosotros nos nuestro nuestra vosotros os vuestro ellos ellas usted ustedes este esta esto "
     "estos estas ese esa eso esos esas aquel aquella muy más menos ya también tan tanto todo toda todos "
     "todas "
     "soy eres es somos son era eras eran fue fui ser sido estoy estás está estamos están estaba estar he "
     "has "
     "ha hemos han había haber hay"},
    {"it", "ita", "italian",
     "il lo la i gli le l un uno una e ed o ma se che chi cui come quando dove perché non né a ad al allo "
     "alla "
     "ai agli alle da dal dalla dai di del dello della dei degli delle in nel nella nei nelle con su sul "
     "sulla "
     "per tra fra io mi me mio mia miei mie tu ti te tuo tua tuoi tue lui lei si sé suo sua suoi sue noi ci "
     "ce "
     "nostro nostra voi vi ve vostro vostra loro questo questa questi queste quello quella quelli quelle ne "
     "più "
     "meno molto già anche ancora solo sono sei è siamo siete era eri erano essere stato stata ho hai ha "
     "abbiamo avete hanno aveva avere c'è"},
    {"pt", "por", "portuguese",
     "o a os as um uma uns umas e ou mas porque que quem qual quando onde como se não nem à ao aos às com "
     "contra de do da dos das desde em no na nos nas entre até para por pelo pela sem sob sobre eu me mim "
     "meu "
     "minha meus minhas tu te ti teu tua teus tuas ele ela lhe si seu sua seus suas nós nosso nossa vós eles "
     "elas você vocês este esta isto esse essa isso aquele aquela aquilo muito mais menos já também tão todo "
     "toda sou és é somos são era eram foi fui ser sido estou está estamos estão estava estar tenho tens tem "
     "temos têm tinha ter há"},
    {"nl", "nld", "dutch",
     "de het een en of maar want dus omdat dat die dit deze wie wat waar wanneer hoe waarom als dan toen ook "
     "nog al wel niet geen niets ja nee aan achter bij binnen buiten door in met na naar naast om onder op "
     "over "
     "per sinds te tegen tot tussen uit van voor zonder ik me mij mijn je jij jou jouw hij hem zijn zij ze "
     "haar "
     "u uw wij we ons onze jullie hun zich er hier daar ben bent is waren was geweest wordt worden werd heb "
     "hebt heeft hebben had hadden kan kunnen kon zal zullen zou moet moeten mag wil"},
    {"bn", "ben", "bengali",
     "আমি আমার আমাকে আমায় আমরা আমাদের তুমি তোমার তোমাকে তোমায় তোমরা তোমাদের তুই তোর তোকে আপনি আপনার সে তার "
     "তাকে তারা তাদের ও এ এই ওই সেই এটা ওটা সেটা যে যা যার যাকে কে কার কি কী কেন কোথায় কখন কেমন এবং আর বা "
     "কিন্তু তবু তবে যদি তাই না নেই নয় নি হয় হয়ে হবে ছিল ছিলাম আছে আছি আছো থেকে জন্য সাথে সঙ্গে মতো পরে আগে "
     "উপর নিচে মধ্যে দিয়ে করে করি করো তো যেন শুধু আবার এখন তখন যখন এখানে সেখানে"},
    {"hi", "hin", "hindi",
     "मैं मुझे मुझको मेरा मेरी मेरे हम हमें हमारा हमारी हमारे तू तुझे तेरा तेरी तेरे तुम तुम्हें तुम्हारा तुम्हारी तुम्हारे आप "
     "आपका आपकी आपके वह वो उसे उसका उसकी उसके वे उन्हें उनका उनकी उनके यह ये इसे इसका इसकी इसके इस उस जो जिस "
     "कौन क्या क्यों कब कहाँ कैसे और या पर लेकिन मगर अगर तो कि न ना नहीं मत का की के को से में ने तक लिए साथ "
     "बिना है हैं हूँ हो था थी थे होगा होगी होंगे भी ही अब जब तब यहाँ वहाँ एक"},
    {"ar", "ara", "arabic",
     "في من على إلى عن مع بين حتى منذ بعد قبل عند لدى تحت فوق و ف ثم أو أم لكن بل إن أن إذا لو كي لا ما لم "
     "لن "
     "ليس هل أنا أنت أنتِ هو هي نحن أنتم هم هن هذا هذه ذلك تلك هؤلاء الذي التي الذين من ماذا متى أين كيف "
     "لماذا "
     "كل بعض غير كان كانت يكون قد يا لي لك له لها لنا لكم لهم بي بك به بها فيه فيها"},
};

const char *stop_words_of(const char *language)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strcmp(language, lists[i].code) == 0 || strcmp(language, lists[i].code3) == 0 ||
            strcmp(language, lists[i].name) == 0)
            return lists[i].words;
    return NULL;
}
