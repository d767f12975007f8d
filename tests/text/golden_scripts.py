#!/usr/bin/env python3
"""Make golden_scripts.h5: words of scripts without blanks, by ICU's dictionaries through PyICU. Run in this folder.

Sentences: article 1 of the Universal Declaration of Human Rights (United Nations, 1948), and our own."""
import h5py
import icu
import numpy as np

sentences = [
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神互相對待。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    "មនុស្សទាំងអស់ កើតមកមានសេរីភាព និងសមភាព ក្នុងផ្នែកសេចក្ដីថ្លៃថ្នូរនិងសិទ្ធិ។",
    "មនុស្ស មានវិចារណញ្ញាណនិងសតិសម្បជញ្ញៈជាប់ពីកំណើត ហើយគប្បីប្រព្រឹត្ដចំពោះគ្នាទៅវិញទៅមក ក្នុងស្មារតីភាតរភាពជាបងប្អូន។",
    "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ, ສິດທິ, ເສລີພາບແລະຄວາມສະເໝີພາບເທົ່າທຽມກັນ.",
    "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း၊ မွေးဖွားလာသူများ ဖြစ်သည်။",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "東京の夜にｶﾗｵｹ ＤＡＮＣＥ！ เพลงรักrockสนุก 我爱music，你呢？",
]


def words(text):
    """What ICU calls a word, of the text after NFKC case folding."""
    text = icu.Normalizer2.getNFKCCasefoldInstance().normalize(text)
    wide, breaks, start, out = text.encode("utf-16-le"), icu.BreakIterator.createWordInstance(icu.Locale("")), 0, []
    breaks.setText(text)
    for end in breaks:
        if breaks.getRuleStatus() >= 100:
            out.append(wide[2 * start:2 * end].decode("utf-16-le"))
        start = end
    return out


with h5py.File("golden_scripts.h5", "w") as f:
    for name, texts in {"sentences": sentences, "words": ["\n".join(words(s)) for s in sentences]}.items():
        data = [t.encode() for t in texts]
        f[name] = np.array(data, dtype=f"S{max(map(len, data))}")
    f.attrs["icu"] = float(icu.ICU_VERSION.split(".")[0])
    for s in sentences:
        print(" | ".join(words(s)))
print("ICU", icu.ICU_VERSION)
