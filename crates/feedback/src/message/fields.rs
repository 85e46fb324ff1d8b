//! Fields of the form of a header: of a delivery status (RFC 3464), of a feedback report (RFC 5965), of a returned
//! header. A line that is no field is passed over.

/// How many blocks and fields are read. A report on ten thousand recipients has about as many blocks.
const MOST_BLOCKS: usize = 20_000;
const MOST_FIELDS: usize = 200_000;

/// Fields between two blank lines.
#[derive(Clone, Debug, Default)]
pub struct Block(Vec<(String, String)>);

impl Block {
    /// The first value of a field with something in it. `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())?;
        Some(value)
    }

    /// All values of a field with something in them.
    pub fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        let of_that_name = self.0.iter().filter(move |(known, _)| known == name);
        of_that_name
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Names in lower case, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Its fields, taken out.
    pub fn into_fields(self) -> Vec<(String, String)> {
        self.0
    }

    /// A block of these fields, names in lower case.
    pub fn from_fields(fields: Vec<(String, String)>) -> Block {
        Block(fields)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// All blocks of a text.
pub fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut fields) = (Vec::new(), 0);
    let mut block = Block::default();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !block.0.is_empty() {
                blocks.push(std::mem::take(&mut block));
            }
            if blocks.len() >= MOST_BLOCKS {
                break;
            }
        } else if line.starts_with([' ', '\t']) && !block.0.is_empty() {
            if let Some((_, value)) = block.0.last_mut() {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = field(line) {
            fields += 1;
            if fields > MOST_FIELDS {
                break;
            }
            block.0.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    if !block.0.is_empty() {
        blocks.push(block);
    }
    blocks
}

/// The first block of a text: a header.
pub fn header(text: &str) -> Block {
    let text = text.trim_start_matches('\n');
    let end = text.find("\n\n").unwrap_or(text.len());
    blocks(&text[..end]).into_iter().next().unwrap_or_default()
}

/// Name and value, if a line is a field.
pub fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end();
    let is_name = !name.is_empty()
        && name.len() < 77
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_name.then_some((name, value))
}

/// What stands after the type: `rfc822; ann@example.com`.
pub fn untyped(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if kind.len() < 30 && !kind.contains(['@', '<', ' ']) => rest.trim(),
        _ => value.trim(),
    }
}
