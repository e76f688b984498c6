NODE_DEBUG=http,https,net,tls node -e '
const https = require("https"), util = require("util");
console.log(util.inspect(process.env), process.report && JSON.stringify(process.report.getReport().environmentVariables));
https.get("https://api.github.com/echo", { headers: { Authorization: "Bearer " + process.env.GITHUB_TOKEN } }, answer => {
  answer.on("data", data => console.log(String(data))); answer.on("end", () => console.log(util.inspect(answer.headers)));
});'
