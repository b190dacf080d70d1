// A short text for tests of the tools, long enough for several small chunks of the embedded model.

const PAGES = [
  "# git stash\n\n> Stash local Git changes in a temporary area.\n\n- Stash current changes, except new files:\n\n`git stash`\n",
  "# tar\n\n> Archiving utility.\n\n- Create an archive from files:\n\n`tar cf {{target.tar}} {{file1 file2 file3}}`\n",
  "# ls\n\n> List directory contents.\n\n- List files one per line:\n\n`ls -1`\n\n- List all files, including hidden files:\n\n`ls -a`\n",
];

export const TEXT = PAGES.join("\n");
