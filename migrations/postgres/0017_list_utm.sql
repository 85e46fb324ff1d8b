-- What is added to the addresses of links of campaigns that go to it: JSON, nothing if the list does not say.
ALTER TABLE lists ADD COLUMN utm TEXT;
