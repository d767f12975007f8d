#include "synth/lyrics.h"

#include "synth/dice.h"
#include "synth/style.h"

#include <stdio.h>
#include <string.h>

enum { THEMES = 4, PHRASES = 5 };

/** A line is one opening and one ending; every pair makes a sentence. */
typedef struct stock {
    const char *opening[PHRASES], *ending[PHRASES];
} stock;

/* Themes: love, night, road, defiance. */
static const stock stocks[LANGUAGES][THEMES] = {
    /* en */
    {{{"I kept your letter", "You held my hand", "We danced so slowly", "I say your name",
       "My heart is waiting"},
      {"under the apple tree", "when the rain came down", "like a song I knew", "all through the winter",
       "until the morning"}},
     {{"The lights are burning", "We lose the hours", "The bass is rolling", "Nobody is sleeping",
       "The moon keeps turning"},
      {"above the city", "in the blue room", "till the sun comes round", "on the empty street",
       "and I feel alive"}},
     {{"I packed my suitcase", "The river carries me", "Old friends are singing", "The dust is rising",
       "I leave my shadow"},
      {"a long way from home", "by the mountain road", "where the wild geese fly", "at the break of day",
       "past the last station"}},
     {{"We will not kneel", "They built their towers", "I raise my voice", "The walls are shaking",
       "No one can own us"},
      {"against the thunder", "with nothing to lose", "and we stand together", "in the face of fire",
       "not now, not ever"}}},
    /* de */
    {{{"Ich hab dein Lachen", "Du hältst mein Herz", "Ich such dein Bild", "Wir hatten Zeit",
       "Ich denk an uns"},
      {"in meinem kleinen Zimmer", "bis der Sommer geht", "unter alten Bäumen", "wie ein leises Lied",
       "an jedem neuen Tag"}},
     {{"Die Stadt wird laut", "Der Regen fällt", "Wir tanzen weiter", "Das Licht geht an",
       "Niemand will schlafen"},
      {"um kurz nach Mitternacht", "auf dem nassen Asphalt", "bis der Morgen kommt", "tief unter der Brücke",
       "und alles dreht sich"}},
     {{"Ich geh den Weg", "Der Zug fährt los", "Mein Koffer steht", "Der Wind zieht fort",
       "Wir wandern still"},
      {"über die grünen Hügel", "hinaus aufs weite Meer", "durch das stille Tal", "ganz ohne ein Wort",
       "der Heimat entgegen"}},
     {{"Wir geben nicht auf", "Ich schrei es laut", "Die Mauer bricht", "Kein Mensch hält uns",
       "Wir stehen hier"},
      {"gegen den kalten Sturm", "mit erhobener Hand", "solange wir leben", "mitten im Feuer",
       "und fürchten uns nicht"}}},
    /* es */
    {{{"Guardo tu nombre", "Te doy mi vida", "Busco tus ojos", "Sueño contigo", "Canta mi alma"},
      {"bajo la luna clara", "cuando llueve en abril", "como una canción", "en cada madrugada",
       "sin decir adiós"}},
     {{"La noche arde", "Bailamos juntos", "Suena el tambor", "La calle brilla", "Nadie se duerme"},
      {"hasta que salga el sol", "en la ciudad dormida", "con el corazón abierto", "entre luces de neón",
       "y todo da vueltas"}},
     {{"Me voy andando", "El río lleva", "Sigue mi sombra", "Vuela mi canto", "Dejo mi casa"},
      {"por el camino viejo", "más allá del mar", "detrás de la montaña", "con el viento del sur",
       "sin mirar atrás"}},
     {{"No nos rendimos", "Grita mi pueblo", "Rompo cadenas", "Somos la voz", "Levanto el puño"},
      {"frente a la tormenta", "con la frente en alto", "porque somos muchos", "en medio del fuego",
       "y no hay más miedo"}}},
    /* fr */
    {{{"Je garde ton rire", "Tu prends ma main", "Mon cœur t'appelle", "Je rêve de toi", "On s'aime encore"},
      {"sous les vieux tilleuls", "quand revient l'automne", "comme une chanson", "au bord de la Seine",
       "jusqu'au petit jour"}},
     {{"La ville s'allume", "On danse encore", "La lune tourne", "Personne ne dort", "La nuit m'emporte"},
      {"au-dessus des toits", "dans la chambre bleue", "jusqu'à l'aube claire", "sur les quais déserts",
       "et le temps s'arrête"}},
     {{"Je prends la route", "Le train s'en va", "Le vent me pousse", "Ma voix s'éloigne", "Je suis parti"},
      {"loin de mon village", "par les champs de blé", "vers la mer immense", "sans me retourner",
       "au lever du jour"}},
     {{"On ne plie pas", "Je crie ma rage", "Les murs s'écroulent", "Nos voix se lèvent", "Rien ne m'arrête"},
      {"contre la tempête", "le poing vers le ciel", "au milieu des flammes", "car nous sommes libres",
       "et sans avoir peur"}}},
    /* bn */
    {{{"তোমার চোখে চেয়ে", "আমার মন কাঁদে", "তোমায় মনে পড়ে", "হাতটা ধরে থেকো", "তোমার নামটি লিখি"},
      {"বৃষ্টি ভেজা দিনে", "শিউলি ফোটা ভোরে", "একলা জানালায়", "গানের সুরে সুরে", "সারা জীবন ধরে"}},
     {{"রাতের শহর জাগে", "চাঁদের আলো ঝরে", "ঘুম আসে না আর", "তারার মেলা বসে", "আমরা নাচি আজ"},
      {"নীল আকাশের নিচে", "নদীর কালো জলে", "ভোরের আলো আসা অবধি", "ফাঁকা পথের ধারে", "মনের আঙিনায়"}},
     {{"আমি চলে যাই", "নৌকা ভেসে চলে", "মাঝি গান গায়", "হাওয়া ডেকে যায়", "পথ হারিয়ে যায়"},
      {"পদ্মা নদীর বাঁকে", "ধানের খেতের পাশে", "দূর পাহাড়ের দেশে", "মেঠো পথটি ধরে", "ঘরের টানে ফিরে"}},
     {{"আমরা মানব না", "কণ্ঠ তোলো আজ", "ভাঙব সব দেয়াল", "জেগে ওঠো সবাই", "আমরা লড়ে যাব"},
      {"ঝড়ের মুখোমুখি", "আগুন বুকে নিয়ে", "হাতে হাত রেখে", "মুক্ত আলোর খোঁজে", "ভয়কে জয় করে"}}},
    /* hi */
    {{{"तेरी आँखों में", "दिल ये गाता है", "तुझे याद करूँ", "तेरा नाम लिखूँ", "साथ तेरे रहूँ"},
      {"बारिश की रातों में", "फूलों की छाँव तले", "हर नई सुबह में", "सपनों के गाँव में", "जैसे कोई गीत"}},
     {{"रात ये जागी है", "चाँद ढलता नहीं", "हम नाचते रहे", "शहर की रोशनी", "नींद आती नहीं"},
      {"नीले आसमान में", "सुबह होने तक", "सूनी सड़कों पर", "तारों के साथ में", "धुन में खोई हुई"}},
     {{"मैं चला जाता हूँ", "नदिया बहती है", "राह बुलाती है", "धूल उड़ती है", "छोड़ के घर मैं चला"},
      {"पर्वत के उस पार", "खेतों के बीच से", "दूर अपने देस को", "हवाओं के संग में", "नई मंज़िल की ओर"}},
     {{"हम झुकेंगे नहीं", "आवाज़ उठाओ", "टूटेगी दीवार", "हम लड़ेंगे सदा", "डर से कह दो अब"},
      {"तूफ़ान के आगे", "हाथों में हाथ ले", "आग के बीच में", "जब तक है ये साँस", "अपने हक़ के लिए"}}},
};

/** Text that grows in a buffer of LYRICS_MAX bytes; what would not fit is left out. */
typedef struct page {
    char *text;
    size_t n;
} page;

static void put(page *p, const char *a, const char *between, const char *b)
{
    size_t need = strlen(a) + strlen(between) + strlen(b) + 1;
    if (p->n + need + 1 > LYRICS_MAX) return;
    p->n += (size_t)snprintf(p->text + p->n, LYRICS_MAX - p->n, "%s%s%s\n", a, between, b);
}

static void put_line(page *p, dice *d, const stock *from)
{
    const char *opening = from->opening[dice_below(d, PHRASES)];
    put(p, opening, " ", from->ending[dice_below(d, PHRASES)]);
}

static void put_chorus(page *p, const stock *from, const int pick[4])
{
    put(p, "[Chorus]", "", "");
    for (int i = 0; i < 3; i++) put(p, from->opening[pick[i % 2]], " ", from->ending[pick[2 + i % 2]]);
    put(p, from->opening[pick[0]], "", "");
    put(p, "", "", "");
}

void synth_lyrics_write(const synth_plan *plan, char text[LYRICS_MAX])
{
    text[0] = '\0';
    if (plan->language < 0) return;
    dice d = dice_new(plan->seed, DICE_LYRICS, plan->index);
    int theme = dice_weighted(&d, synth_style_of(plan->style)->theme, THEMES);
    const stock *main_stock = &stocks[plan->language][theme];
    int pick[4], verses = 2 + dice_below(&d, 2);
    for (int i = 0; i < 4; i++) pick[i] = dice_below(&d, PHRASES);
    if (pick[1] == pick[0]) pick[1] = (pick[0] + 1) % PHRASES;
    page p = {text, 0};
    for (int v = 0; v < verses; v++) {
        put(&p, "[Verse]", "", "");
        for (int line = 0; line < 4; line++) {
            bool astray = dice_chance(&d, 0.2); /* a line from another theme */
            put_line(&p, &d, astray ? &stocks[plan->language][dice_below(&d, THEMES)] : main_stock);
        }
        put(&p, "", "", "");
        put_chorus(&p, main_stock, pick);
    }
    while (p.n > 1 && text[p.n - 2] == '\n') text[--p.n] = '\0';
}
