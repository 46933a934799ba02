//! Prints the story step by step, and remembers what went wrong.

use anyhow::ensure;

/// Tells the story on standard output.
#[derive(Debug, Default)]
pub(super) struct Teller {
    told: usize,
    differed: usize,
}

#[expect(clippy::print_stdout, reason = "telling is what it is for")]
impl Teller {
    /// Sets the scene.
    pub(super) fn scene(&mut self, what: &str) -> &mut Self {
        println!("\n{what}\n");
        self
    }

    /// Tells one step: what had to happen, and what was seen.
    pub(super) fn step(&mut self, must: &str, seen: anyhow::Result<String>) -> &mut Self {
        self.told += 1;
        match seen {
            Ok(seen) => println!("  ✔ {must}\n      {seen}"),
            Err(problem) => {
                self.differed += 1;
                println!("  ✘ {must}\n      {problem:#}");
            }
        }
        self
    }

    /// The end: an error when a step differed.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        println!("\n{} steps, {} as they must be, {} not", self.told, self.told - self.differed, self.differed);
        ensure!(self.differed == 0, "{} steps differed", self.differed);
        Ok(())
    }
}
