"""The same two sentences in the 15 languages of XNLI: to try a model on."""

from __future__ import annotations

# From examples/demo/corpus, which is ours (CC0); by ISO 639-1 code.
SENTENCES: dict[str, tuple[str, str]] = {
    "en": (
        "During daytime, a grandmother was buying a shirt at a shop.",
        "One weekday, a woman was buying clothes at a shop.",
    ),
    "de": (
        "Tagsüber kaufte eine Großmutter in einem Laden ein Hemd.",
        "An einem Werktag kaufte eine Frau in einem Laden Kleidung.",
    ),
    "fr": (
        "Pendant la journée, une grand-mère achetait une chemise dans un magasin.",
        "Un jour de semaine, une femme achetait des vêtements dans un magasin.",
    ),
    "es": (
        "Durante el día, una abuela estaba comprando una camisa en una tienda.",
        "Un día laborable, una mujer estaba comprando ropa en una tienda.",
    ),
    "bg": (
        "През деня една баба купуваше риза в един магазин.",
        "В делничен ден една жена купуваше дрехи в един магазин.",
    ),
    "el": (
        "Κατά τη διάρκεια της ημέρας μια γιαγιά αγόραζε ένα πουκάμισο σε ένα μαγαζί.",
        "Μια καθημερινή μια γυναίκα αγόραζε ρούχα σε ένα μαγαζί.",
    ),
    "ru": (
        "В дневное время бабушка покупала рубашку в магазине.",
        "В будний день женщина покупала одежду в магазине.",
    ),
    "tr": (
        "Gündüz bir nine bir dükkânda gömlek alıyordu.",
        "Hafta içi bir gün bir kadın bir dükkânda kıyafet alıyordu.",
    ),
    "ar": (
        "خلال النهار، كانت جدة تشتري قميصاً في متجر.",
        "في يوم عمل، كانت امرأة تشتري ملابس في متجر.",
    ),
    "hi": (
        "दिन के समय एक दादी एक दुकान में क़मीज़ ख़रीद रही थीं।",
        "किसी कामकाजी दिन एक औरत एक दुकान में कपड़े ख़रीद रही थी।",
    ),
    "ur": (
        "دن کے وقت ایک دادی ایک دکان میں قمیض خرید رہی تھیں۔",
        "ایک کام والے دن ایک عورت ایک دکان میں کپڑے خرید رہی تھی۔",
    ),
    "th": (
        "ในตอนกลางวัน คุณย่าคนหนึ่งกำลังซื้อเสื้อเชิ้ตในร้านค้า",
        "ในวันธรรมดา ผู้หญิงคนหนึ่งกำลังซื้อเสื้อผ้าในร้านค้า",
    ),
    "vi": (
        "Vào ban ngày, một người bà đang mua một chiếc áo sơ mi trong một cửa hàng.",
        "Vào một ngày thường, một người phụ nữ đang mua quần áo trong một cửa hàng.",
    ),
    "zh": (
        "白天，一位老奶奶正在商店里买衬衫。",
        "某个工作日，一个女人正在商店里买衣服。",
    ),
    "sw": (
        "Wakati wa mchana, bibi mmoja alikuwa akinunua shati dukani.",
        "Siku moja ya kazi, mwanamke mmoja alikuwa akinunua nguo dukani.",
    ),
}
