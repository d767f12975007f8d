/* Compact Language Detector 2: letters in fours, and whole words, as naive Bayes over 80 languages. */
#include "clean.h"

#include "tutti/text.h"

/* Enough text to tell a language by; more costs time. */
enum { GUESS_BYTES = 256 };

/* CLD2 has an interface in C++ alone. These two functions have plain types (an enumeration is an int), so
 * that their names are all that C cannot say: CLD2::DetectLanguage(const char *, int, bool, bool *) and
 * CLD2::LanguageCode(Language), as the Itanium C++ ABI spells them. */
int cld2_detect(const char *text, int bytes, bool plain,
                bool *reliable) __asm__("_ZN4CLD214DetectLanguageEPKcibPb");
const char *cld2_code(int language) __asm__("_ZN4CLD212LanguageCodeENS_8LanguageE");

const char *tt_guess_language(const char *text, int64_t n)
{
    char clean[3 * GUESS_BYTES + 1]; /* it wants sound UTF-8 */
    int64_t repaired = 0, sections = 0, used = n < GUESS_BYTES ? n : GUESS_BYTES;
    while (used > 0 && used < n && ((unsigned char)text[used] & 0xC0) == 0x80) used--;
    int64_t bytes = clean_text(text, used, clean, &repaired, &sections);
    bool reliable = false;
    clean[bytes] = '\0';
    int language = cld2_detect(clean, (int)bytes, true, &reliable);
    return reliable ? cld2_code(language) : "";
}
