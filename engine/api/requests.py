"""What requests may hold. These schemas check every request and are the OpenAPI document's."""
from __future__ import annotations

from .schema import (anything, choice, flag, identifier, listed, minor, named, text, thing, whole)

PHONE = text("手机号", "Phone number", 32, pattern="^[+]?[0-9][0-9 -]{2,30}$", examples=["13800000000"],
             **{"x-expected": "digits, with an optional + in front"})
LANG = choice("语言", "Language of titles and messages", "zh", "en", default="zh")
BUYER = thing("买家", "The buyer; left out for a guest", {"id": identifier("买家编号", "The buyer's number", examples=["buyer-1"])}, "id")
CONTACT = thing("联系方式", "Where messages about the order go", {"phone": PHONE, "name": text("姓名", "Name", 120)})
ITEM = named("Item", thing("商品项", "What is wanted", {
    "sku": text("SKU", "The SKU, as product/sku", 130, examples=["card/month"]),
    "quantity": whole("数量", "Pieces", 1, 10_000, default=1)}, "sku"))
ITEMS = listed("商品", "What is wanted", ITEM, 50, 1)
SCENE = identifier("场景", "The scene", examples=["shop-h5"])
FIELDS = anything("场景字段", "The scene's own fields", maxProperties=50)
COUPONS = listed("指定优惠券", "Coupons wanted; left out: whatever applies; empty: none", identifier("优惠券", "Coupon"), 20)

QUOTE = named("QuoteRequest", thing("预下单请求", "A quote asked for", {
    "scene": SCENE, "items": ITEMS, "buyer": BUYER, "contact": CONTACT, "fields": FIELDS, "coupons": COUPONS,
    "lang": LANG}, "scene items"))

CLIENT = thing("买家终端", "What the channel must know of the buyer's terminal", {
    "ip": text("IP 地址", "The buyer's address", 45, examples=["203.0.113.7"]),
    "openid": text("渠道内用户标识", "The buyer's id at the channel", 128),
    "bank": text("付款银行", "The bank the buyer means to pay by, as conditions name it", 32, examples=["CMB"]),
    "return_url": text("返回地址", "Where the buyer comes back to", 1000, pattern="^https?://",
                       **{"x-expected": "an address that begins with https:// or http://"})})
PAY = named("PayRequest", thing("支付请求", "A payment asked for", {
    "channel": identifier("支付渠道", "The channel or route, one of the order's"), "client": CLIENT}, "channel"))

ORDER = named("OrderRequest", thing("下单请求", "An order: from a quote, or from items", {
    "scene": SCENE, "quote": identifier("预下单号", "The quote; items, fields and coupons are then its own", 32),
    "items": ITEMS, "buyer": BUYER, "contact": CONTACT, "fields": FIELDS, "coupons": COUPONS, "lang": LANG,
    "expected_payable_minor": minor("预期应付", "Refuse the order when the price is another one"),
    "pay": {**PAY, "title": "Make the first payment with the order", "x-title-zh": "下单并支付"},
    "external": thing("外部订单", "A shop's order that was paid there", {
        "no": identifier("外部订单号", "The shop's order number"),
        "paid_minor": minor("已付金额", "What was paid there, in minor units")}, "*")}, "scene",
    anyOf=[{"required": ["quote"]}, {"required": ["items"]}], **{"x-expected": "a quote or items"}))

CLOSE = named("CloseRequest", thing("关单请求", "Why the order is closed", {"reason": text("原因", "Reason", 80)}))
CLAIM = named("ClaimRequest", thing("认领请求", "A guest's order becomes a buyer's", {
    "claim_token": text("认领凭证", "What the guest was given with the order", 64), "buyer": BUYER}, "*"))

CONSUME = named("ConsumeRequest", thing("核销请求", "Use some of a right's quota", {
    "buyer": {**BUYER, "title": "The buyer"}, "right": identifier("权益", "The right"),
    "amount": whole("数量", "How much", 1, 1_000_000, default=1)}, "buyer right"))

PUT_BUYER = named("BuyerRequest", thing("买家资料", "What is known of a buyer; what is left out stays", {
    "phone": PHONE, "name": text("姓名", "Name", 120),
    "tags": listed("标签", "Tags that conditions may ask for", identifier("标签", "Tag"), 100, uniqueItems=True)}))

TAKE = named("TakeRequest", thing("领取工单", "Who takes the work order", {"worker": text("处理人", "Who", 64)}, "worker"))
FINISH = named("FinishRequest", thing("完成工单", "What came of the work order", {
    "worker": text("处理人", "Who", 64), "result": anything("结果", "What came of it", maxProperties=50)}, "worker"))

_CHARGED = {
    "partner_order_no": identifier("合作商订单号", "Your number; it stands for one charge, whatever is repeated"),
    "scene": SCENE, "items": ITEMS}
CHARGE_REGISTERED = named("RegisteredChargeRequest", thing("已注册用户直充", "A charge for a registered buyer", {
    **_CHARGED, "buyer": {**BUYER, "title": "The buyer"}, "fields": FIELDS, "lang": LANG},
    "partner_order_no scene items buyer"))
CHARGE_UNREGISTERED = named("UnregisteredChargeRequest", thing("未注册用户直充", "A charge for somebody who will register", {
    **_CHARGED, "phone": PHONE, "buyer": {**BUYER, "title": "The id the buyer will have, when it is known"},
    "fields": FIELDS, "lang": LANG}, "partner_order_no scene items phone"))
TOP_UP = named("TopUpRequest", thing("充值请求", "What the partner prepaid", {
    "unit": choice("单位", "The pool's unit, so that nobody takes pieces for money", "money", "pieces", "heads"),
    "amount": whole("数量", "Minor units of a money pool, otherwise pieces or heads", 1)}, "*"))

CHARGE_REFUND = named("ChargeRefundRequest", thing("直充退款", "Why a charge is taken back", {
    "reason": text("原因", "Why; the partner is told", 80)}, "*"))

LIMIT = whole("每页条数", "How many at most", 1, 200, default=50)
CURSOR = text("游标", "The `next` of the page before", 200, pattern="^[A-Za-z0-9_=-]+$")
BUYER_QUERY = identifier("买家编号", "The buyer's number")
ONLY_NOW = flag("仅当前有效", "Only what is in force now", default=False)
