'use strict'

const config = require('./config')
const { createApp } = require('./app')

const { app, close } = createApp(config)
const server = app.listen(config.port, config.host, error => {
  if (error) throw error
  const { address, port } = server.address()
  console.log(`Express listens on http://${address}:${port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => close().finally(() => process.exit(0)))
    server.closeAllConnections()
  })
}
