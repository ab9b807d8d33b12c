"""What answers hold. Amounts are integers of minor units (`…_minor`) with their `currency`; times are RFC 3339 in UTC."""
from __future__ import annotations

from .schema import TITLE, Schema, anything, choice, flag, listed, maybe, minor, moment, named, text, thing, whole

_NO = text("编号", "Number", 40)
_TRACE = text("追踪号", "Trace", 32, 0)
CURRENCY = text("币种", "Currency (ISO 4217)", 3, 3)
_CREATED, _EXPIRES = moment("创建时间", "Created"), moment("失效时间", "Expires")


def page(name: str, zh: str, en: str, item: Schema) -> Schema:
    """A page of a list: ask again with `cursor` = `next` until that is null."""
    return named(name, thing(zh, en, {"items": listed(zh, en, item),
                                      "next": maybe(text("下一页游标", "Cursor of the next page; null: there is none", 200))}, "*"))


PROBLEM = named("Problem", thing("错误", "A refusal (RFC 9457 problem details)", {
    "type": text("类型", "Where the code is explained"), "title": text("含义", "What the code means"),
    "status": whole("HTTP 状态", "HTTP status", 400, 599), "code": text("错误码", "Stable code", 60),
    "message": text("说明", "What is wrong here, and what to do next", 4000),
    "details": listed("详情", "Where it is wrong, for machines", thing("一处", "One place", {
        "path": text("位置", "JSON Pointer into the body, `?name` of the query, `{name}` of the address, or a header's name", 400, 0),
        "found": {"title": "What was found", "x-title-zh": "实际"}, "expected": {"title": "What was expected", "x-title-zh": "预期"},
        "nearest": text("最接近的词", "Did you mean this?", 200)}, additionalProperties=True)),
    "trace_id": _TRACE, "retryable": flag("可重试", "Whether the same request may succeed later")}, "*"))

CHANNEL = named("PayableChannel", thing("可用支付渠道", "A channel the sale can be paid through, or a route to one of several", {
    "id": text("渠道", "Channel or route", 64), "title": TITLE,
    "needs": listed("所需信息", "What `client` must hold to pay through it", text("字段", "Field", 64))}, "*"))
LINE = named("Line", thing("商品行", "One line", {
    "n": whole("行号", "Line number", 1), "sku": text("SKU", "SKU", 130), "product": text("商品", "Product", 64),
    "type": text("商品类型", "Product type", 64), "merchant": text("商户", "Merchant", 64), "title": TITLE,
    "quantity": whole("数量", "Pieces", 1), "unit_price_minor": minor("单价", "Price of a piece"),
    "list_minor": minor("原价小计", "At list prices"), "discount_minor": minor("优惠", "Taken off"),
    "payable_minor": minor("应付", "To be paid")}, "*"))
DISCOUNT = named("Discount", thing("优惠明细", "What lowered the price", {
    "id": text("优惠", "Which", 64), "kind": text("种类", "Kind", 20), "title": TITLE, "amount_minor": minor("优惠金额", "Taken off"),
    "shares": anything("分摊", "Minor units by line number", additionalProperties={"type": "integer"})}, "*"))
NOT_APPLIED = named("NotApplied", thing("未使用的优惠券", "A coupon that did not apply, and why", {
    "id": text("优惠券", "Coupon", 64), "title": TITLE, "reason": text("原因码", "Reason", 60),
    "sentence": text("原因", "The reason in words", 1000, 0)}, "*"))
_SUMS = {"currency": CURRENCY, "subtotal_minor": minor("原价合计", "At list prices"),
         "discount_minor": minor("优惠合计", "Taken off"), "payable_minor": minor("应付", "To be paid")}
_PRICED = {**_SUMS, "lines": listed("商品行", "Lines", LINE), "discounts": listed("优惠", "What lowered the price", DISCOUNT)}

QUOTE = named("Quote", thing("预下单", "A price, held until it expires", {
    "no": _NO, "scene": text("场景", "Scene", 64), "release": whole("配置版本", "Release", 0), **_PRICED,
    "not_applied": listed("未使用的优惠券", "Coupons that did not apply", NOT_APPLIED),
    "channels": listed("可用支付渠道", "Channels, in the order to offer them", CHANNEL),
    "created_at": _CREATED, "expires_at": _EXPIRES}, "*"))

PAYMENT = named("Payment", thing("支付单", "One payment attempt", {
    "no": _NO, "order": _NO, "state": choice("状态", "State", "created", "pending", "unknown", "succeeded", "failed", "closed"),
    "channel": maybe(text("渠道", "Channel; null when it was paid by other means", 64, 0)), "tender": text("支付方式", "Tender", 12),
    "currency": CURRENCY, "amount_minor": minor("金额", "Amount"), "refunded_minor": minor("已退", "Sent back"),
    "client": maybe(anything("终端参数", "What the buyer's terminal needs: qr, redirect, params or text")),
    "channel_no": maybe(text("渠道流水号", "The channel's own number", 64, 0)), "reason": maybe(text("原因", "Why it is so", 4000, 0)),
    "created_at": _CREATED, "expires_at": _EXPIRES, "succeeded_at": maybe(moment("支付时间", "Paid at"))}, "*"))
PAYMENT_WITH_ORDER = named("PaymentWithOrder", thing("支付单与订单状态", "A payment, and where its order is", {
    **PAYMENT["properties"], "order_state": text("订单状态", "The order's state", 24)}, "*"))

_ORDER = {
    "no": _NO, "scene": text("场景", "Scene", 64), "line": text("业务线", "Business line", 64), "title": text("标题", "Title", 200),
    "state": choice("状态", "State", "draft", "awaiting_payment", "paid", "fulfilling", "completed", "closed", "refunding",
                    "partially_refunded", "refunded"),
    "buyer": maybe(text("买家", "Buyer; null while a guest's order is not claimed", 64, 0)),
    "partner": maybe(text("合作商", "Partner", 64, 0)), "external_no": maybe(text("外部单号", "The shop's or partner's number", 64, 0)),
    "quote": maybe(text("预下单号", "Quote; null of a renewal, whose price was signed", 40)),
    "release": whole("配置版本", "The release it was sold under", 0), "currency": CURRENCY,
    "subtotal_minor": minor("原价合计", "At list prices"), "payable_minor": minor("应付", "To be paid"),
    "refunded_minor": minor("已退", "Sent back"), "created_at": _CREATED, "expires_at": moment("支付截止", "To be paid until"),
    "paid_at": maybe(moment("支付时间", "Paid at")), "ended_at": maybe(moment("结束时间", "Completed or closed at")),
    "trace_id": _TRACE}
ORDER_BRIEF = named("OrderBrief", thing("订单摘要", "An order's key fields", _ORDER, "*"))
NEW_ORDER = named("NewOrder", thing("新订单", "The order as it was placed", {
    **_ORDER, "lines": listed("商品行", "Lines", LINE), "discounts": listed("优惠", "What lowered the price", DISCOUNT),
    "claim_token": maybe(text("认领凭证", "For a guest, this once: binds the order to a buyer later", 64)),
    "payment": {"anyOf": [PAYMENT, {"type": "null"}], "title": "The first payment, when one was asked for",
                "x-title-zh": "首笔支付"}}, "*"))

ENTITLEMENT = named("Entitlement", thing("权益", "What a buyer may do", {
    "no": _NO, "order": _NO, "right": text("权益", "Right", 64), "state": choice("状态", "State", "active", "revoked"),
    "starts_at": moment("生效时间", "From"), "ends_at": moment("到期时间", "Until"),
    "quota_total": maybe(whole("总额度", "Quota; null: unlimited", 0, None)), "quota_used": whole("已用", "Used", 0, None)}, "*"))
USE = named("Use", thing("核销结果", "What was used", {
    "right": text("权益", "Right", 64), "amount": whole("数量", "How much", 1, None),
    "parts": listed("扣减明细", "From which entitlements", thing("一笔", "One", {
        "entitlement": _NO, "amount": whole("数量", "How much", 0, None)}, "*")),
    "left": maybe(whole("剩余", "What is left now; null: unlimited", 0, None))}, "*"))

WORK_ORDER = named("WorkOrder", thing("工单", "A unit of work for people", {
    "no": _NO, "order": _NO, "parent": maybe(text("上级工单", "The work order it is part of", 40, 0)), "kind": text("种类", "Kind", 48),
    "title": TITLE, "queue": text("队列", "Queue", 48), "state": choice("状态", "State", "open", "in_progress", "done", "cancelled"),
    "blocking": flag("阻塞订单", "The order waits for it"), "worker": maybe(text("处理人", "Who has it", 64, 0)),
    "result": maybe(anything("结果", "What came of it")), "due_at": maybe(moment("期限", "Due")), "created_at": _CREATED}, "*"))
REFUND = named("Refund", thing("退款单", "Money on its way back", {
    "no": _NO, "payment": _NO, "kind": text("种类", "Kind", 12), "state": text("状态", "State", 12), "currency": CURRENCY,
    "amount_minor": minor("金额", "Amount"), "reason": text("原因", "Reason", 120, 0), "created_at": _CREATED}, "*"))
MESSAGE = named("Message", thing("消息", "What was told to whom", {
    "no": _NO, "template": text("模板", "Template", 64), "channel": text("渠道", "Channel", 64), "state": text("状态", "State", 12),
    "attempts": whole("尝试次数", "Attempts", 0), "created_at": _CREATED}, "*"))
MOVE = named("Move", thing("状态变化", "One change of state", {
    "at": moment("时间", "When"), "what": text("对象", "Of what", 24), "no": _NO, "from": maybe(text("原状态", "From", 24, 0)),
    "to": text("新状态", "To", 24), "cause": text("原因", "Because", 80, 0), "trace_id": _TRACE}, "*"))
ORDER = named("Order", thing("订单", "An order with all that belongs to it", {
    **_ORDER, "lines": listed("商品行", "Lines", LINE), "discounts": listed("优惠", "What lowered the price", DISCOUNT),
    "fields": anything("场景字段", "The scene's own fields"), "payments": listed("支付单", "Payments", PAYMENT),
    "refunds": listed("退款单", "Refunds", REFUND), "entitlements": listed("权益", "Entitlements", ENTITLEMENT),
    "work_orders": listed("工单", "Work orders", WORK_ORDER), "messages": listed("消息", "Messages", MESSAGE),
    "timeline": listed("时间线", "Every change of state, in order", MOVE)}, "*"))
ORDERS = page("OrderPage", "订单列表", "Orders, newest first", ORDER_BRIEF)
ENTITLEMENTS = named("EntitlementList", thing("权益列表", "A buyer's entitlements", {
    "items": listed("权益", "The first to end first", ENTITLEMENT)}, "*"))
WORK_ORDERS = page("WorkOrderPage", "工单列表", "Work orders, oldest first", WORK_ORDER)

BUYER = named("Buyer", thing("买家", "A registered buyer", {
    "id": text("买家编号", "The buyer's number", 64), "phone": maybe(text("手机号", "Phone", 32, 0)),
    "name": maybe(text("姓名", "Name", 120, 0)), "tags": listed("标签", "Tags", text("标签", "Tag", 64)),
    "orders_paid": whole("已付订单数", "Orders paid", 0), "created_at": _CREATED, "updated_at": moment("更新时间", "Changed")}, "*"))
CHARGE = named("Charge", thing("直充单", "A direct charge", {
    "no": _NO, "partner_order_no": text("合作商订单号", "Your number", 64), "order": _NO,
    "state": choice("状态", "State", "charging", "charged", "failed", "returned"), "buyer": maybe(text("买家", "Buyer", 64, 0)),
    "amount": whole("扣款", "Drawn from the pool, in its unit", 0), "reason": maybe(text("原因", "What it waits for", 4000, 0)),
    "tries": whole("尝试次数", "Tries so far", 0), "try_at": maybe(moment("下次尝试", "Next try")),
    "give_up_at": moment("放弃时间", "Tried until"), "created_at": _CREATED}, "*"))
POOL = named("Pool", thing("资金池", "A partner's pool", {
    "partner": text("合作商", "Partner", 64), "pool": text("池", "The pool; partners may share one", 64),
    "unit": choice("单位", "Unit", "money", "pieces", "heads"), "currency": CURRENCY,
    "balance": whole("余额", "What is in it", None, None), "floor": whole("下限", "It never goes below", None, None),
    "available": whole("可用", "What can be drawn", 0, None), "topped_up": whole("累计充值", "Topped up", 0, None),
    "drawn": whole("累计扣减", "Drawn", 0, None), "returned": whole("累计退回", "Returned", 0, None)}, "*"))

_POOL_ENTRY = named("PoolEntry", thing("资金池流水", "What went through a pool", {
    "at": moment("时间", "When"), "kind": choice("类型", "Kind", "top_up", "draw", "return"),
    "ref": text("单号", "The order, or the receipt of a top-up", 64), "amount": whole("数量", "In the pool's unit", 0, None),
    "balance": whole("余额", "In the pool afterwards", None, None), "value_minor": minor("金额", "What it is worth"),
    "charge": maybe(text("直充单", "Charge", 40)), "partner_order_no": maybe(text("合作商订单号", "Your number", 64)),
    "items": text("商品", "What was charged: SKU*pieces", 4000, 0)}, "*"))
STATEMENT = named("Statement", thing("日结单", "What went through a pool on one business day", {
    "partner": text("合作商", "Partner", 64), "pool": text("池", "The pool", 64),
    "date": text("业务日", "Business day, YYYY-MM-DD", 10, 10),
    "zone": text("时区", "The zone whose day it is", 64), "final": flag("已结", "The day is over; nothing can be added"),
    "unit": choice("单位", "Unit", "money", "pieces", "heads"), "currency": CURRENCY,
    "opening": whole("期初余额", "Opening balance", None, None), "closing": whole("期末余额", "Closing balance", None, None),
    "topped_up": whole("充值", "Topped up", 0, None), "drawn": whole("扣减", "Drawn", 0, None),
    "returned": whole("退回", "Returned", 0, None),
    "others": whole("其他合作商", "What other partners did to a shared pool", None, None),
    "posted_minor": whole("账上变动", "What the ledger posted for these entries, in your favour", None, None),
    "entries": listed("流水", "In order", _POOL_ENTRY)}, "*"))

_SCENE = {"id": text("场景", "Scene", 64), "title": TITLE, "terminal": text("端", "Terminal", 16),
          "method": text("售卖方式", "Method", 24),
          "login": choice("登录方式", "Login", "required", "guest"), "line": text("业务线", "Business line", 64), "currency": CURRENCY}
SCENES = named("SceneList", thing("场景列表", "The scenes this key may sell in", {
    "items": listed("场景", "Scenes", named("SceneBrief", thing("场景摘要", "A scene's key fields", _SCENE, "*"))),
    "release": whole("配置版本", "The live release", 0)}, "*"))
_GRANT = thing("权益", "What a piece gives", {
    "right": text("权益", "Right", 64), "title": TITLE, "count": whole("期数", "How many units", 1),
    "unit": choice("单位", "Calendar unit", "day", "week", "month", "quarter", "year"),
    "quota": maybe(whole("额度", "Quota; null: unlimited", 0))}, "*")
SCENE = named("Scene", thing("场景", "What can be sold here, and how", {
    **_SCENE, "release": whole("配置版本", "The live release", 0),
    "skus": listed("商品", "What is sold", named("Sku", thing("SKU", "What can be bought", {
        "sku": text("SKU", "SKU", 130), "title": TITLE, "type": text("商品类型", "Product type", 64),
        "merchant": text("商户", "Merchant", 64), "currency": CURRENCY, "price_minor": minor("标价", "List price"),
        "quantity_max": whole("单次上限", "Pieces in one order", 1), "purchase_cap": maybe(whole("限购", "Pieces a buyer may hold", 0)),
        "grants": listed("权益", "What a piece gives", _GRANT)}, "*"))),
    "fields": anything("场景字段", "JSON Schema of the order's extra fields"),
    "channels": listed("支付渠道", "Channels, in the order to offer them", thing("渠道", "A channel", {
        **CHANNEL["properties"], "conditional": flag("有条件", "Only offered when its condition holds"),
        "route": maybe(listed("路由", "Of a route: the channels of which the engine chooses", text("渠道", "Channel", 64)))}, "*")),
    "tenders": listed("支付方式", "How orders are paid", text("方式", "Tender", 16)),
    "quote_holds_s": {"type": "number", "title": "How long a quote holds, in seconds", "x-title-zh": "报价有效期（秒）"},
    "pay_within_s": {"type": "number", "title": "How long an order waits for its payment, in seconds",
                     "x-title-zh": "支付期限（秒）"}}, "*"))
