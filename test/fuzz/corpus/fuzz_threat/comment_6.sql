INSERT INTO inventory_transactions (production_order_id, kind, item_code, quantity, location, booked_at, booked_by) VALUES (42, 'receipt', 'SO-1001', 42, ''
AND
status='open'/*', now(), 'SO-1001')